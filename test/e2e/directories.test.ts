import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { archivedFiles } from '../support/git-archive.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'

setDefaultTimeout(90_000)

const lib = (name: string, mark: string) => ({
  [`packages/${name}/composer.json`]: JSON.stringify({ name: `acme/${name}`, autoload: { classmap: ['src/'] } }),
  [`packages/${name}/src/Lib.php`]: `<?php // ${name} ${mark}\n`,
  [`packages/${name}/tests/LibTest.php`]: '<?php\n',
  [`packages/${name}/docs/index.md`]: mark,
})

describe.skipIf(!composerAvailable).each(['github', 'none'] as const)(
  'composer and packages of directories, source with filters %s',
  (filters) => {
    let root: string
    let source: GitServer
    let repository: TestGitRepository
    let installation: Installation
    let server: RunningServer
    let api: Management
    let repositoryId: string
    let project: ComposerProject

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'package-broker-mono-'))
      repository = createGitRepository(join(root, 'mono.git'), {
        commits: [
          {
            files: {
              '.gitattributes': 'tests export-ignore\n/packages/mail/docs export-ignore\n',
              'composer.json': '{"name":"acme/all"}',
              ...lib('core', '1.0'),
              ...lib('mail', '1.0'),
            },
            tags: ['v1.0.0'],
          },
          { files: { ...lib('core', '1.1'), ...lib('mail', '1.1') }, annotatedTags: ['v1.1.0'] },
          { files: lib('core', 'main') },
        ],
      })
      source = await startGitServer({ root, filters })
      installation = await Installation.create()
      server = await installation.serve()
      const add = ['repository', 'add', `${source.url}/mono.git`, '--composer-json-paths', 'packages/*']
      const added = await installation.run([...add, '--archives', 'tags', '--json'])
      expect(added).toMatchObject({ code: 0, stderr: '' })
      const shown = JSON.parse(added.stdout) as { id: string; packages: number; composer_json_paths: string }
      expect(shown).toMatchObject({ packages: 2, composer_json_paths: 'packages/*', versions: 6 })
      repositoryId = shown.id
      api = new Management(server.url, server.adminToken)
      const token = await api.token()
      project = ComposerProject.create({ repositories: [server.url], tokens: { [server.url]: token } })
    })

    afterAll(async () => {
      project?.remove()
      await installation?.remove()
      await source?.stop()
      rmSync(root, { recursive: true, force: true })
    })

    async function composer(...args: string[]): Promise<void> {
      const { code, output } = await project.run(...args)
      expect({ code, output }).toMatchObject({ code: 0 })
    }

    /** Files of an installed package, below its own directory. */
    function installed(name: string): string[] {
      const directory = project.path(`vendor/acme/${name}`)
      return readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((found) => found.isFile())
        .map((found) => join(found.parentPath, found.name).slice(directory.length + 1))
        .sort()
    }

    const archived = (commit: string, name: string) =>
      archivedFiles(repository, commit, `packages/${name}`).map(({ path }) => path)

    test('two packages at different tags, each with the files of its directory and a checksum', async () => {
      project.requires({ 'acme/core': '1.0.0', 'acme/mail': '^1.1' })
      await composer('update')
      expect(installed('core')).toEqual(archived('v1.0.0', 'core'))
      expect(installed('core')).toEqual(['composer.json', 'docs/index.md', 'src/Lib.php'])
      expect(installed('mail')).toEqual(archived('v1.1.0', 'mail'))
      expect(installed('mail')).toEqual(['composer.json', 'src/Lib.php'])
      expect(project.read('vendor/acme/core/src/Lib.php')).toContain('core 1.0')
      for (const { dist } of project.locked()) expect(dist.shasum).toMatch(/^[0-9a-f]{40}$/)
    })

    test('the lock file installs with nothing cached', async () => {
      project.forget()
      await composer('install')
      expect(installed('mail')).toEqual(archived('v1.1.0', 'mail'))
    })

    test('a branch, and a lock file of a commit from which the directory was moved away', async () => {
      project.requires({ 'acme/core': 'dev-main' })
      // Not downloaded yet: the archive of the old commit is built only after the directory has moved.
      await composer('update', '--no-install')
      const pinned = repository.resolve('main')
      expect(project.locked()[0]).toMatchObject({ version: 'dev-main', dist: { reference: pinned } })
      const gone = Object.keys(lib('core', '')).map((path) => [path, null])
      const there = Object.entries(lib('core', 'moved')).map(([path, text]) => [
        path.replace('/core/', '/kernel/'),
        text,
      ])
      repository.commit({ files: Object.fromEntries([...gone, ...there]) })
      await api.sync(repositoryId)
      project.forget()
      await composer('install')
      expect(installed('core')).toEqual(archived(pinned, 'core'))
      expect(project.read('vendor/acme/core/src/Lib.php')).toContain('core main')
      await composer('update')
      expect(project.locked()[0]?.dist.reference).toBe(repository.resolve('main'))
      expect(project.read('vendor/acme/core/src/Lib.php')).toContain('core moved')
    })
  },
)
