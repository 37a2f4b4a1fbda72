import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'

setDefaultTimeout(90_000)

/** composer.json and nothing else, tagged. */
const release = (name: string, fields: object, ...tags: string[]) => ({
  files: { 'composer.json': JSON.stringify({ name, ...fields }) },
  tags,
})

describe.skipIf(!composerAvailable)('finding packages with composer', () => {
  let root: string
  let installation: Installation
  let server: RunningServer
  let project: ComposerProject

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    createGitRepository(join(root, 'lib.git'), {
      commits: [
        release('acme/lib', { description: 'Parses invoices.' }, '1.0.0'),
        release('acme/lib', { description: 'Parses invoices.', abandoned: 'acme/tool' }, '2.0.0'),
      ],
    })
    const tool = { description: 'Prints invoices.', type: 'composer-plugin', provide: { 'psr/printer': '1.0' } }
    createGitRepository(join(root, 'tool.git'), { commits: [release('acme/tool', tool, '1.0.0')] })
    createGitRepository(join(root, 'secret.git'), {
      commits: [release('secret/lib', { description: 'Hides invoices.', provide: { 'psr/printer': '1.0' } }, '1.0.0')],
    })
    installation = await Installation.create({
      LOG_LEVEL: 'debug',
      LOCAL_REPOSITORY_ROOTS: root,
      REPOSITORY_WARNING: 'Read-only on Sunday.',
      REPOSITORY_INFO: 'See the wiki.',
    })
    server = await installation.serve()
    const api = new Management(server.url, server.adminToken)
    for (const name of ['lib', 'tool', 'secret']) await api.addRepository(join(root, `${name}.git`))
    const token = await api.token({ allowed_package_prefixes: ['acme/'] })
    project = ComposerProject.create({ repositories: [server.url], tokens: { [server.url]: token } })
  })

  afterAll(async () => {
    project?.remove()
    await installation?.remove()
    rmSync(root, { recursive: true, force: true })
  })

  /** What composer printed, and the requests it made. */
  async function run(...args: string[]): Promise<{ code: number; output: string; requests: string[] }> {
    const before = server.stdout.length
    const { code, output } = await project.run(...args)
    await Bun.sleep(50)
    const lines = server.stdout.slice(before).matchAll(/"method":"(\w+)","path":"([^"]+)","status":(\d+)/g)
    return { code, output, requests: [...lines].map(([, method, path, status]) => `${method} ${path} ${status}`) }
  }

  test('search finds words, and shows what is abandoned', async () => {
    const { code, output, requests } = await run('search', '--format=json', 'invoices')
    expect(code).toBe(0)
    expect(requests).toContain('GET /search.json 200')
    const found = JSON.parse(output.slice(output.indexOf('['))) as { name: string; abandoned?: unknown }[]
    expect(found.map(({ name, abandoned }) => [name, abandoned])).toEqual([
      ['acme/lib', 'acme/tool'],
      ['acme/tool', undefined],
    ])
  })

  test('search by type', async () => {
    const { output } = await run('search', '--type=composer-plugin', 'invoices')
    expect(output).toContain('acme/tool')
    expect(output).not.toContain('acme/lib')
  })

  test('search of names and of vendors', async () => {
    const names = await run('search', '--only-name', 'lib')
    expect(names.output).toContain('acme/lib')
    expect(names.output).not.toContain('secret')
    const vendors = await run('search', '--only-vendor', 'c')
    expect(vendors.output).toContain('acme')
    expect(vendors.output).not.toContain('secret')
  })

  test('show lists what there is by pattern', async () => {
    const { code, output } = await run('show', '--all', '--format=json', 'acme/t*')
    expect(code).toBe(0)
    expect(output).toContain('acme/tool')
    expect(output).not.toContain('acme/lib')
    expect(output).not.toContain('secret/')
  })

  test('a package that only others provide is explained with those the token covers', async () => {
    project.requires({ 'psr/printer': '*' })
    const { code, output, requests } = await run('update')
    expect(code).toBe(2)
    expect(requests).toContain('GET /providers/psr/printer.json 200')
    expect(output).toContain('acme/tool')
    expect(output).not.toContain('secret/lib')
  })

  test('what the operator has to say is printed', async () => {
    project.requires({ 'acme/lib': '^1' })
    project.forget()
    const { code, output } = await run('update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(output).toContain(`Warning from ${server.url}: Read-only on Sunday.`)
    expect(output).toContain(`Info from ${server.url}: See the wiki.`)
  })

  test('an abandoned package is named with its replacement', async () => {
    project.requires({ 'acme/lib': '^2' })
    const { code, output } = await run('update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(output).toContain('Package acme/lib is abandoned, you should avoid using it. Use acme/tool instead.')
  })
})
