<?php

// Installs an archive the way `composer install` does, with Composer's own ZipDownloader, into <project>/vendor/acme/lib.

require '/usr/share/php/Composer/autoload.php';

use Composer\Config;
use Composer\Downloader\ZipDownloader;
use Composer\IO\NullIO;
use Composer\Package\Package;
use Composer\Util\Filesystem;
use Composer\Util\HttpDownloader;
use Composer\Util\Loop;
use Composer\Util\ProcessExecutor;

[, $zip, $project] = $argv;
mkdir($project.'/vendor/composer', 0777, true);

$io = new NullIO();
$config = new Config(false, $project);
$config->merge(['config' => ['vendor-dir' => $project.'/vendor', 'cache-dir' => $project.'/cache']]);
$http = new HttpDownloader($io, $config);
$process = new ProcessExecutor($io);
$loop = new Loop($http, $process);
$downloader = new ZipDownloader($io, $config, $http, null, null, new Filesystem($process), $process);

$package = new Package('acme/lib', '1.0.0.0', '1.0.0');
$package->setDistType('zip');
$package->setDistUrl($zip);
$package->setDistReference('c');
$package->setDistSha1Checksum(sha1_file($zip));

$path = $project.'/vendor/acme/lib';
$loop->wait([$downloader->download($package, $path)]);
$loop->wait([$downloader->prepare('install', $package, $path)]);
$loop->wait([$downloader->install($package, $path)]);
$loop->wait([$downloader->cleanup('install', $package, $path)]);
