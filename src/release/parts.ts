import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { LockedPackage } from './lock-file.ts'

/** Of a target of the build: libSQL's native part, and Bun's runtime with the SHA-512 of its package. */
export interface Target {
  readonly nativePart: string
  readonly runtime: string
  readonly runtimeIntegrity: string
}

/** bun.lock has no runtimes of Bun, so those of the version in package.json are pinned here. */
export const TARGETS: Readonly<Record<string, Target>> = {
  'bun-linux-x64': {
    nativePart: '@libsql/linux-x64-gnu',
    runtime: '@oven/bun-linux-x64',
    runtimeIntegrity: 'sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==',
  },
  'bun-linux-x64-baseline': {
    nativePart: '@libsql/linux-x64-gnu',
    runtime: '@oven/bun-linux-x64-baseline',
    runtimeIntegrity: 'sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==',
  },
  'bun-linux-x64-musl': {
    nativePart: '@libsql/linux-x64-musl',
    runtime: '@oven/bun-linux-x64-musl',
    runtimeIntegrity: 'sha512-10QoW/YfTgnURaGEaHpJCiXjLI2e5iTtfVDaA5JKcyUzaa1cq6cVUY9/Uq5XkYzvtRjHLRe9Oj/lTDIQcxy8HQ==',
  },
  'bun-linux-arm64': {
    nativePart: '@libsql/linux-arm64-gnu',
    runtime: '@oven/bun-linux-aarch64',
    runtimeIntegrity: 'sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==',
  },
  'bun-linux-arm64-musl': {
    nativePart: '@libsql/linux-arm64-musl',
    runtime: '@oven/bun-linux-aarch64-musl',
    runtimeIntegrity: 'sha512-XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==',
  },
  'bun-darwin-x64': {
    nativePart: '@libsql/darwin-x64',
    runtime: '@oven/bun-darwin-x64',
    runtimeIntegrity: 'sha512-qkLPMGHZM9NI6CeHTWwVezzmlo6cC4Ta7yUAjYIWXS366qQcOlcp75t2uZyiuVRBMPS0h9qE0tCcvCHGaFqjJg==',
  },
  'bun-darwin-arm64': {
    nativePart: '@libsql/darwin-arm64',
    runtime: '@oven/bun-darwin-aarch64',
    runtimeIntegrity: 'sha512-4MIFXHmctH2EhAxLXm2/qxNtv17dFtLJylvaOCsrgq6KSqHTs6eW5YSrJjRbJxYUJaR901fsN8JfZOa+CsWpWQ==',
  },
}

/**
 * The directory of a package for another platform than this one: fetched through npm at the pinned version into `cache`,
 * once, and only when it is the pinned file. Throws when it cannot be had.
 */
export async function fetchedPackage(cache: string, { name, version, integrity }: LockedPackage): Promise<string> {
  const directory = join(cache, `${name.replace('/', '+')}@${version}`)
  if (existsSync(directory)) return join(directory, 'package')
  const incoming = `${directory}.${process.pid}`
  mkdirSync(incoming, { recursive: true })
  try {
    run(incoming, ['npm', 'pack', '--silent', '--ignore-scripts', `${name}@${version}`])
    const [file = ''] = readdirSync(incoming)
    const bytes = await Bun.file(join(incoming, file)).bytes()
    const found = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
    if (found !== integrity) throw new Error(`${name}@${version} is not the package that is pinned: it has ${found}.`)
    run(incoming, ['tar', '-xzf', file])
    rmSync(join(incoming, file))
    renameSync(incoming, directory)
  } finally {
    rmSync(incoming, { recursive: true, force: true })
  }
  return join(directory, 'package')
}

function run(cwd: string, command: string[]): void {
  const { success, stderr } = Bun.spawnSync(command, { cwd, stdout: 'ignore', stderr: 'pipe' })
  if (!success) throw new Error(`${command.join(' ')} failed: ${stderr.toString()}`)
}
