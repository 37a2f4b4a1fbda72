<?php
/* Says of each zip in a directory what is wrong with it to PHP's reader, which Composer uses. */
foreach (glob($argv[1] . '/*') as $path) {
    $zip = new ZipArchive();
    $code = $zip->open($path, ZipArchive::RDONLY);
    if ($code !== true) {
        echo basename($path), ': cannot be opened, ', $code, "\n";
        continue;
    }
    for ($index = 0; $index < $zip->numFiles; $index++) {
        $size = $zip->statIndex($index)['size'];
        $content = $zip->getFromIndex($index);
        if ($content === false || strlen($content) !== $size) {
            echo basename($path), ': entry ', $index, " cannot be read\n";
        }
    }
}
