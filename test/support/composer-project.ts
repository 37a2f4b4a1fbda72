import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** False only on a developer's machine without Composer; with `CI` set a missing one fails the tests. */
export const composerAvailable = process.env.CI !== undefined || Bun.which('composer') !== null

/** A locked package, as far as tests look at it. */
export interface LockedPackage {
  name: string
  version: string
  dist: { url: string; reference: string; shasum?: string; type: string }
}

/** What a new project says in its composer.json. */
export interface ProjectSpec {
  /** Addresses of Composer repositories, the preferred one first. packagist.org is off. */
  repositories: readonly string[]
  require?: Record<string, string>
  /** Token per repository address, sent as http-basic password, or another section of auth.json. */
  tokens?: Readonly<Record<string, string>>
  auth?: Record<string, unknown>
  extra?: Record<string, unknown>
}

/** A PHP project whose dependencies the real `composer` manages, with a home and a cache of its own. */
export class ComposerProject {
  private constructor(
    readonly directory: string,
    private auth: Record<string, unknown>,
  ) {}

  /** Makes a project below the temporary directory. */
  static create(spec: ProjectSpec): ComposerProject {
    const directory = mkdtempSync(join(tmpdir(), 'package-broker-composer-'))
    for (const name of ['project', 'home', 'cache']) mkdirSync(join(directory, name))
    const project = new ComposerProject(directory, { ...httpBasic(spec.tokens ?? {}), ...spec.auth })
    project.writeManifest({
      repositories: [...spec.repositories.map((url) => ({ type: 'composer', url })), { 'packagist.org': false }],
      require: spec.require ?? {},
      config: { 'secure-http': false },
      ...spec.extra,
    })
    return project
  }

  /** Runs composer; `output` has both streams as a person would see them. */
  async run(...args: string[]): Promise<{ code: number; output: string }> {
    const child = Bun.spawn(['composer', '--no-interaction', '--no-ansi', ...args], {
      cwd: this.path(''),
      env: {
        PATH: process.env.PATH ?? '',
        HOME: join(this.directory, 'home'),
        COMPOSER_HOME: join(this.directory, 'home'),
        COMPOSER_CACHE_DIR: join(this.directory, 'cache'),
        COMPOSER_ALLOW_SUPERUSER: '1',
        COMPOSER_AUTH: JSON.stringify(this.auth),
      },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: 60_000,
    })
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { code, output: stderr + stdout }
  }

  /** Uses other tokens from now on; what is cached stays. */
  signIn(tokens: Readonly<Record<string, string>>): void {
    this.auth = httpBasic(tokens)
  }

  /** A path inside the project. */
  path(name: string): string {
    return join(this.directory, 'project', name)
  }

  has(name: string): boolean {
    return existsSync(this.path(name))
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  writeManifest(manifest: Record<string, unknown>): void {
    writeFileSync(this.path('composer.json'), JSON.stringify(manifest))
  }

  /** Changes `require` in composer.json. */
  requires(require: Record<string, string>): void {
    this.writeManifest({ ...JSON.parse(this.read('composer.json')), require })
  }

  /** The packages of composer.lock. */
  locked(): LockedPackage[] {
    return (JSON.parse(this.read('composer.lock')) as { packages: LockedPackage[] }).packages
  }

  /** Removes installed packages and every cached file, as on a fresh build machine. */
  forget(): void {
    rmSync(this.path('vendor'), { recursive: true, force: true })
    rmSync(join(this.directory, 'cache'), { recursive: true, force: true })
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function httpBasic(tokens: Readonly<Record<string, string>>): Record<string, unknown> {
  const entries = Object.entries(tokens).map(([url, token]) => [
    new URL(url).host,
    { username: 'token', password: token },
  ])
  return { 'http-basic': Object.fromEntries(entries) }
}
