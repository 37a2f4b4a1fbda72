import type * as promises from 'node:fs/promises'

/** What archives need of `node:fs/promises`, which is what is used unless a test wants an operation to fail. */
export type FileSystem = Pick<
  typeof promises,
  'lstat' | 'mkdir' | 'open' | 'readdir' | 'rename' | 'rm' | 'unlink' | 'utimes'
>
