import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import * as nodeFs from 'node:fs/promises'
import { TestApp } from '../support/app.ts'
import { answer, filesOf, push, repository } from '../support/artifacts.ts'
import { libraryZip } from '../support/zip-builder.ts'

describe('damage', () => {
  test('a damaged upload is never served, and the same bytes mend it', async () => {
    const app = await TestApp.start()
    const id = await repository(app)
    const zip = libraryZip()
    await push(app, id, zip)
    const [path = ''] = filesOf(app, 'uploads')
    await app.stop(true)
    const damaged = Buffer.from(zip)
    damaged[50] = (damaged[50] ?? 0) ^ 1
    const { mtime, atime } = await nodeFs.stat(path)
    writeFileSync(path, damaged)
    await nodeFs.utimes(path, atime, mtime)

    const next = await TestApp.start({}, app.directory)
    const response = await next.ask('/dist/acme/lib/1.0.0.zip')
    expect(response.status).toBe(503)
    expect((await answer(response)).warning).toContain('damaged or missing')
    expect(readFileSync(path).equals(damaged)).toBe(true)
    expect((await push(next, id, zip)).status).toBe(200)
    const served = await next.ask('/dist/acme/lib/1.0.0.zip')
    expect(Buffer.from(await served.arrayBuffer()).equals(zip)).toBe(true)
    await nodeFs.rm(path)
    expect((await next.ask('/dist/acme/lib/1.0.0.zip')).status).toBe(503)
    expect((await push(next, id, zip)).status).toBe(200)
    expect((await next.ask('/dist/acme/lib/1.0.0.zip')).status).toBe(200)
    await next.stop()
  })

  test('a small archive cache evicts no upload', async () => {
    const app = await TestApp.start({ ARCHIVE_MAX_BYTES: '1' })
    const id = await repository(app)
    await push(app, id, libraryZip())
    await app.stop(true)
    const next = await TestApp.start({ ARCHIVE_MAX_BYTES: '1' }, app.directory)
    expect((await next.ask('/dist/acme/lib/1.0.0.zip')).status).toBe(200)
    await next.stop()
  })
})

describe('a disk that fails', () => {
  test.each(['write', 'sync', 'rename', 'open'] as const)(
    'full at %s: 507, nothing left, and later it works',
    async (at) => {
      let full = false
      const fail = () => {
        if (full) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      }
      const uploadFiles = {
        ...nodeFs,
        open: async (...args: Parameters<typeof nodeFs.open>) => {
          const writing = args[1] === 'wx'
          if (at === 'open' && writing) fail()
          const handle = await nodeFs.open(...args)
          if (!writing || (at !== 'write' && at !== 'sync')) return handle
          return new Proxy(handle, {
            get(target, name) {
              if (name === at) fail()
              const value = Reflect.get(target, name)
              return typeof value === 'function' ? value.bind(target) : value
            },
          })
        },
        rename: async (from: string, to: string) => {
          if (at === 'rename') fail()
          await nodeFs.rename(from, to)
        },
      } as typeof nodeFs
      const app = await TestApp.start({}, undefined, { uploadFiles })
      const id = await repository(app)
      full = true
      const refused = await push(app, id, libraryZip())
      expect({ status: refused.status, code: (await answer(refused)).code }).toEqual({ status: 507, code: 'DISK_FULL' })
      expect([...filesOf(app, 'tmp'), ...filesOf(app, 'uploads')]).toEqual([])
      expect((await app.ask('/p2/acme/lib.json')).status).toBe(404)
      full = false
      expect((await push(app, id, libraryZip())).status).toBe(201)
      await app.stop()
    },
  )
})
