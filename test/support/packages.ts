import type { CommitSpec } from './git-repository.ts'

/** The composer.json of a small library, with a class that says its version. */
export function libraryFiles(name: string, mark: string, more: Record<string, unknown> = {}): Record<string, string> {
  const manifest = { name, description: `Library ${name}`, autoload: { 'psr-4': { 'Acme\\Lib\\': 'src/' } }, ...more }
  return { 'composer.json': JSON.stringify(manifest), 'src/Lib.php': `<?php // ${mark}\n` }
}

/** One commit of such a library. */
export function library(name: string, mark: string, commit: Omit<CommitSpec, 'files'> = {}): CommitSpec {
  return { files: libraryFiles(name, mark), ...commit }
}
