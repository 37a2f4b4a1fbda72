<?php declare(strict_types=1);

// Asks the real Composer library what it makes of a repository, a version, a constraint or a composer.json.
// usage: php composer-oracle.php versions <git directory>  |  php composer-oracle.php questions < questions.json
//     |  php composer-oracle.php repository <url> < names.json

require getenv('COMPOSER_AUTOLOAD') ?: '/usr/share/php/Composer/autoload.php';

use Composer\IO\NullIO;
use Composer\Package\AliasPackage;
use Composer\Package\Loader\ArrayLoader;
use Composer\Package\Version\VersionParser;
use Composer\Semver\Constraint\Constraint;
use Composer\Util\ErrorHandler;

$io = new NullIO();
// As in the client: a PHP warning is an exception.
ErrorHandler::register($io);

function versions(NullIO $io, string $path): array
{
    $config = Composer\Factory::createConfig($io);
    $repository = new Composer\Repository\VcsRepository(
        ['url' => $path, 'type' => 'git'],
        $io,
        $config,
        new Composer\Util\HttpDownloader($io, $config)
    );
    $versions = [];
    foreach ($repository->getPackages() as $package) {
        if (!$package instanceof AliasPackage) {
            $versions[] = [
                'name' => $package->getPrettyName(),
                'version' => $package->getPrettyVersion(),
                'version_normalized' => $package->getVersion(),
                'default-branch' => $package->isDefaultBranch(),
                'reference' => $package->getSourceReference(),
                'time' => $package->getReleaseDate() ? $package->getReleaseDate()->getTimestamp() : null,
            ];
        }
    }

    return $versions;
}

/** Every version of these packages that a client finds in a Composer repository, in its order. */
function repository(NullIO $io, string $url, array $names): array
{
    $config = Composer\Factory::createConfig($io);
    $config->merge(['config' => ['secure-http' => false]]);
    $repository = new Composer\Repository\ComposerRepository(
        ['url' => $url, 'type' => 'composer'],
        $io,
        $config,
        new Composer\Util\HttpDownloader($io, $config)
    );
    $found = $repository->loadPackages(array_fill_keys($names, null), Composer\Package\BasePackage::$stabilities, []);
    $versions = [];
    foreach ($found['packages'] as $package) {
        if (!$package instanceof AliasPackage) {
            $versions[] = [
                'name' => $package->getName(),
                'version' => $package->getPrettyVersion(),
                'version_normalized' => $package->getVersion(),
                'stability' => $package->getStability(),
                'shasum' => $package->getDistSha1Checksum(),
            ];
        }
    }

    return $versions;
}

/** What a client does with one version of a metadata file: loads it, then dumps its autoloader. The alias, or true. */
function load(array $version)
{
    $package = (new ArrayLoader(new VersionParser()))->loadPackages([$version])[0];
    $io = new NullIO();
    $generator = new Composer\Autoload\AutoloadGenerator(new Composer\EventDispatcher\EventDispatcher(new Composer\PartialComposer(), $io), $io);
    $real = $package instanceof AliasPackage ? $package->getAliasOf() : $package;
    $call = static function (string $method, array $arguments) use ($generator) {
        return (new ReflectionMethod($generator, $method))->invokeArgs($generator, $arguments);
    };
    $call('validatePackage', [$real]);
    $root = new Composer\Package\RootPackage('root/root', '1.0.0.0', '1.0.0');
    foreach (['psr-0', 'psr-4', 'classmap', 'files', 'exclude-from-classmap'] as $type) {
        $call('parseAutoloadsType', [[[$real, '/nowhere']], $type, $root]);
    }
    foreach ($real->getIncludePaths() as $includePath) {
        trim($includePath, '/');
    }

    return $package instanceof AliasPackage ? $package->getVersion() : true;
}

/** @return mixed the answer; null when Composer refuses the question */
function answer(array $question)
{
    $parser = new Composer\Semver\VersionParser();
    [$kind, $input] = $question;
    try {
        switch ($kind) {
            case 'normalize': return $parser->normalize($input);
            case 'branch': return $parser->normalizeBranch($input);
            case 'stability': return Composer\Semver\VersionParser::parseStability($input);
            case 'alias-prefix': return $parser->parseNumericAliasPrefix($input);
            case 'constraint': return (string) $parser->parseConstraints($input);
            case 'matches': return $parser->parseConstraints($input)->matches(new Constraint('==', $question[2]));
            case 'compare': return version_compare($input, $question[2]);
            case 'name': return null === Composer\Package\Loader\ValidatingArrayLoader::hasPackageNamingError(strtolower($input));
            case 'json': return json_decode(base64_decode($input), true, 512) !== null || trim(base64_decode($input)) === 'null';
            case 'load':
                return load(json_decode($input, true));
            case 'expand': return Composer\MetadataMinifier\MetadataMinifier::expand(json_decode($input, true));
            case 'minify': return Composer\MetadataMinifier\MetadataMinifier::minify(json_decode($input, true));
        }
    } catch (\Throwable $error) {
        return null;
    }

    throw new LogicException('unknown question '.$kind);
}

$input = static function (): array {
    return json_decode(stream_get_contents(STDIN), true, 1024, JSON_THROW_ON_ERROR);
};
switch ($argv[1]) {
    case 'versions':
        $answer = versions($io, $argv[2]);
        break;
    case 'repository':
        $answer = repository($io, $argv[2], $input());
        break;
    default:
        $answer = array_map('answer', $input());
}
echo json_encode($answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
