/** Run as a program of its own, because a process has one time zone: prints the digest of a fixed archive. */
import { buildArchive } from '../../src/archives/build-archive.ts'
import { file, memorySink, never, noise, prose, snapshot } from './support.ts'

const built = await buildArchive(
  snapshot([
    file('composer.json', '{"name":"acme/lib"}'),
    file('bin/tool', '#!/usr/bin/env php\n', 0o100755),
    file('link', 'bin/tool', 0o120000),
    file('src/Größe.php', prose(200_000)),
    file('src/noise.bin', noise(100_000)),
    file('empty', ''),
    file(Uint8Array.of(0x6e, 0xff, 0x6e), 'raw name'),
  ]),
  memorySink(),
  never,
)
console.log(new Date(0).getHours(), built.sha1, built.sha256, built.size)
