import { join } from 'node:path'
import { type CommitSpec, createGitRepository, type FileSpec } from '../support/git-repository.ts'

/** Bytes that do not compress, the same on every run. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed * 2 + 1
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** A composer.json of about 3 KB, as a component of a framework has it; every `edition` is another text. */
export function manifest(name: string, edition: number, requires: Record<string, string> = {}): string {
  const names = Array.from({ length: 14 }, (_, index) => `platform/component-${index}`)
  return JSON.stringify(
    {
      name,
      type: 'library',
      description: `Makes the parts of an application that a person sees behave the way that person expects, edition ${edition}`,
      keywords: ['application', 'components', 'framework', 'interface', `edition-${edition}`],
      homepage: 'https://components.example.org/',
      license: 'MIT',
      authors: Array.from({ length: 3 }, (_, index) => ({
        name: `Author Number ${index}`,
        email: `author.${index}@components.example.org`,
        homepage: `https://people.example.org/author-${index}`,
        role: 'Developer',
      })),
      require: { php: `>=7.${edition % 5}`, ...requires },
      'require-dev': Object.fromEntries(
        names.map((other, index) => [other, `^${4 + (edition % 3)}.${index}|^6.${index}`]),
      ),
      conflict: Object.fromEntries(names.slice(0, 8).map((other) => [other, `<${4 + (edition % 3)}.4`])),
      suggest: Object.fromEntries(
        names.slice(0, 6).map((other) => [other, 'For using the part of this library that needs it']),
      ),
      provide: { 'psr/log-implementation': '1.0|2.0|3.0' },
      autoload: {
        'psr-4': { [`Vendor\\Component${edition % 4}\\`]: '' },
        'exclude-from-classmap': ['/Tests/'],
        files: ['Resources/functions.php'],
      },
      'minimum-stability': 'dev',
      extra: {
        'branch-alias': { 'dev-main': `${1 + Math.floor(edition / 10)}.x-dev` },
        thanks: { name, url: 'https://components.example.org/thanks' },
      },
      support: { issues: 'https://components.example.org/issues', docs: 'https://docs.components.example.org/' },
    },
    null,
    4,
  )
}

/** What a repository of many releases is made of. */
export interface LongHistory {
  readonly name: string
  readonly releases: number
  readonly manifests: number
  readonly branches: number
  readonly files: number
}

/** A repository of annotated releases, where each commit changes a few of many files. */
export function createLongHistory(path: string, { name, releases, manifests, branches, files }: LongHistory): void {
  const perManifest = Math.ceil(releases / manifests)
  const commits: CommitSpec[] = Array.from({ length: releases }, (_, release) => {
    const changed: Record<string, FileSpec> = {}
    if (release % perManifest === 0) changed['composer.json'] = manifest(name, release / perManifest)
    const touched = release === 0 ? files : Math.min(files, 12)
    for (let index = 0; index < touched; index++) {
      const file = release === 0 ? index : (release * 31 + index * 17) % files
      changed[`Part${file % 23}/Sub${file % 7}/Class${file}.php`] = phpFile(file, release)
    }
    return { files: changed, annotatedTags: [versionOf(release)] }
  })
  const repository = createGitRepository(path, { commits })
  for (let index = 0; index < branches; index++) {
    repository.branch(`${1 + index}.x`, `${versionOf(Math.floor(((index + 1) * releases) / (branches + 1)))}^0`)
  }
  repository.git(['gc', '--quiet'])
}

/** `v<major>.<minor>.<patch>` of the n-th release: ten patches to a minor, ten minors to a major. */
export function versionOf(release: number): string {
  return `v${1 + Math.floor(release / 100)}.${Math.floor(release / 10) % 10}.${release % 10}`
}

/** A repository of one release whose archive is about `bytes` long: 64 KB files that do not compress. */
export function createHeavyRepository(path: string, name: string, bytes: number): void {
  const files: Record<string, FileSpec> = { 'composer.json': manifest(name, 1) }
  const piece = 64 * 1024
  for (let at = 0; at < bytes; at += piece) files[`data/${at / piece}.bin`] = noise(Math.min(piece, bytes - at), at + 1)
  createGitRepository(path, { commits: [{ files, tags: ['v1.0.0'] }] })
}

/** Repositories of `count` small packages, each requiring up to two of those before it. Returns names and paths. */
export function createPackages(root: string, count: number): { name: string; path: string }[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `shop/part-${index}`
    const requires: Record<string, string> = {}
    for (const other of [index - 1, index - 7]) if (other >= 0) requires[`shop/part-${other}`] = '^1.0'
    const commits = Array.from({ length: 20 }, (_, release): CommitSpec => {
      const files: Record<string, FileSpec> = { 'composer.json': manifestOfPart(name, index, release, requires) }
      for (let file = 0; file < 20; file++) files[`src/Class${file}.php`] = phpFile(file, release)
      return { files, tags: [versionOf(release)] }
    })
    const path = join(root, `part-${index}`)
    createGitRepository(path, { commits })
    return { name, path }
  })
}

function manifestOfPart(name: string, index: number, release: number, requires: Record<string, string>): string {
  const autoload = { 'psr-4': { [`Shop\\Part${index}\\`]: 'src/' } }
  return JSON.stringify({
    name,
    description: `Part ${index}`,
    license: 'MIT',
    require: requires,
    autoload,
    extra: { release },
  })
}

function phpFile(file: number, release: number): string {
  const methods = Array.from(
    { length: 12 },
    (_, index) =>
      `    /** Answers question ${index} of edition ${release}. */\n    public function answer${index}(int $given): int\n    {\n        return $given * ${file + 1} + ${index * 7};\n    }\n`,
  )
  return `<?php\n\nnamespace Vendor\\Part;\n\nfinal class Class${file}\n{\n${methods.join('\n')}}\n`
}
