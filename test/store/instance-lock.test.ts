import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { lockInstance } from '../../src/store/instance-lock.ts'
import { failureOf, startChild, temporaryDirectory } from './support.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

describe('the lock of a data directory', () => {
  test('keeps a second holder out and says who has it', async () => {
    const lock = await lockInstance([directory.path], 'a first holder')
    const holder = new RegExp(`in use by .*process ${process.pid}, a first holder, since .*stop it first`)
    expect(await failureOf(lockInstance([directory.path], 'second'))).toEqual({
      kind: 'conflict',
      message: expect.stringMatching(holder),
    })
    lock.release()
    ;(await lockInstance([directory.path], 'third')).release()
  })

  test('also covers a database file that lies elsewhere, and takes nothing when it cannot take all', async () => {
    const place = (name: string) => `${directory.path}/${name}`
    for (const name of ['first', 'second', 'database']) mkdirSync(place(name))
    const lock = await lockInstance([place('first'), place('database')], 'the first')
    expect((await failureOf(lockInstance([place('second'), place('database')], 'the second')))?.kind).toBe('conflict')
    ;(await lockInstance([place('second')], 'nobody')).release()
    lock.release()
    ;(await lockInstance([place('database')], 'nobody')).release()
  })

  test('is free once its holder was killed', async () => {
    const child = startChild('lock', directory.path)
    expect(await child.line()).toBe('locked')
    expect(await failureOf(lockInstance([directory.path], 'here'))).toEqual({
      kind: 'conflict',
      message: expect.stringMatching(/in use/),
    })
    child.kill()
    await child.exited
    ;(await lockInstance([directory.path], 'here')).release()
  })

  test('does not take a directory that cannot be written for one in use', async () => {
    mkdirSync(`${directory.path}/odd/instance.lock`, { recursive: true })
    for (const path of [`${directory.path}/odd`, `${directory.path}/missing`]) {
      const message = expect.stringContaining('cannot be written')
      expect(await failureOf(lockInstance([path], 'here'))).toEqual({ kind: 'unavailable', message })
    }
  })
})
