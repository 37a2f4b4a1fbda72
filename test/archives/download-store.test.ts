import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import * as nodeFs from 'node:fs/promises'
import { join } from 'node:path'
import { UPSTREAM_FORMAT } from '../../src/archives/download.ts'
import { HELD_BACK } from '../../src/archives/incoming-archive.ts'
import { AppError } from '../../src/errors.ts'
import { downloadBench, readAll, Sender, sent, sha1, zipLike } from './download-bench.ts'
import { filesBelow } from './support.ts'

const bench = downloadBench()
afterEach(() => bench.stop())
afterAll(() => bench.clean())

const unwanted = () => {
  throw new Error('The upstream was asked again.')
}

describe('an archive that is fetched', () => {
  test('is recorded, kept under its digest, and not asked for again, not even by the next process', async () => {
    const { store, index, events, directory, want } = await bench.open()
    const zip = zipLike(10_000)
    const file = await store.get(want({ open: async () => sent(zip), sha1: sha1(zip) })).finished()
    expect(readFileSync(file.path).equals(zip)).toBe(true)
    expect(file).toMatchObject({ size: 10_000, sha1: sha1(zip) })
    expect([...index.records.values()]).toMatchObject([{ sha256: file.sha256, size: 10_000, format: UPSTREAM_FORMAT }])
    expect(events).toMatchObject([{ type: 'fetched', sha256: file.sha256, size: 10_000 }])
    expect(await filesBelow(directory)).toEqual([`upstream/${file.sha256.slice(0, 2)}/${file.sha256}.archive`])
    expect((await store.get(want({ open: unwanted })).finished()).path).toBe(file.path)

    const next = await bench.open({ directory, index })
    expect((await next.store.get(want({ open: unwanted })).finished()).path).toBe(file.path)
    expect((await next.store.peek(want({ open: unwanted }).key))?.path).toBe(file.path)
  })

  test('is asked for once, however many want it, and everybody gets its bytes as they come', async () => {
    const { store, want } = await bench.open()
    const zip = zipLike(HELD_BACK * 3)
    const sender = new Sender(zip.length)
    let asked = 0
    const open = async () => {
      asked += 1
      return sender.delivery
    }
    const early = Array.from({ length: 100 }, () => store.get(want({ open })))
    sender.send(zip.subarray(0, HELD_BACK * 2))
    expect(await Promise.all(early.map((incoming) => incoming.started()))).toEqual(early.map(() => null))
    const reading = early.map(readAll)
    const late = Array.from({ length: 100 }, () => readAll(store.get(want({ open }))))
    sender.send(zip.subarray(HELD_BACK * 2)).end()
    for (const { bytes, error } of await Promise.all([...reading, ...late])) {
      expect(error).toBeNull()
      expect(bytes.equals(zip)).toBe(true)
    }
    expect(asked).toBe(1)
  })

  test('a reader that stops reading holds up nobody, and reads on when it likes', async () => {
    const { store, want } = await bench.open()
    const zip = zipLike(HELD_BACK * 8)
    const sender = new Sender(zip.length)
    const incoming = store.get(want({ open: async () => sender.delivery }))
    sender.send(zip.subarray(0, HELD_BACK * 2))
    await incoming.started()
    const slow = incoming.stream().getReader()
    const first = await slow.read()
    const fast = readAll(incoming)
    sender.send(zip.subarray(HELD_BACK * 2)).end()
    expect((await fast).bytes.equals(zip)).toBe(true)
    await incoming.finished()
    const pieces = [first.value ?? new Uint8Array()]
    for (let next = await slow.read(); !next.done; next = await slow.read()) pieces.push(next.value)
    expect(Buffer.concat(pieces).equals(zip)).toBe(true)
  })

  test('comes to its end when everybody has left', async () => {
    const { store, want } = await bench.open()
    const zip = zipLike(HELD_BACK * 2)
    const sender = new Sender()
    const incoming = store.get(want({ open: async () => sender.delivery }))
    sender.send(zip.subarray(0, HELD_BACK + 100_000))
    await incoming.started()
    const leaving = incoming.stream().getReader()
    while (!(await leaving.read()).done) {
      const waiting = leaving.read()
      await leaving.cancel()
      await waiting
    }
    await incoming.stream().cancel()
    sender.send(zip.subarray(HELD_BACK + 100_000)).end()
    await incoming.finished()
    expect((await store.get(want({ open: unwanted })).finished()).size).toBe(zip.length)
  })

  test('a damaged file is put aside and fetched again', async () => {
    const { store, directory, events, want } = await bench.open()
    const zip = zipLike(10_000)
    const { path } = await store.get(want({ open: async () => sent(zip) })).finished()
    writeFileSync(path, zipLike(10_000, 2))
    const again = await store.get(want({ open: async () => sent(zip) })).finished()
    expect(readFileSync(again.path).equals(zip)).toBe(true)
    expect(events.map(({ type }) => type)).toEqual(['fetched', 'corrupt', 'fetched'])
    expect(await filesBelow(join(directory, 'quarantine'))).toHaveLength(1)
  })
})

describe('what is no archive, or not the one that was wanted', () => {
  test('the wrong SHA-1: refused with both digests, nothing kept, and nobody has all of it', async () => {
    const { store, index, refused, events, directory, want } = await bench.open()
    const zip = zipLike(HELD_BACK * 3)
    const sender = new Sender(zip.length).send(zip)
    const wanted = want({ open: async () => sender.delivery, sha1: 'a'.repeat(40) })
    const incoming = store.get(wanted)
    expect(await incoming.started()).toBeNull()
    const reading = readAll(incoming)
    sender.end()
    const { bytes, error } = await reading
    expect(error).toMatchObject({ kind: 'upstream' })
    expect(bytes.length).toBeLessThanOrEqual(zip.length - HELD_BACK)
    const sentence = `The archive of acme/lib 1.0.0 from repo.example.com has the SHA-1 ${sha1(zip)} instead of ${'a'.repeat(40)}; it is refused.`
    expect(refused).toEqual([sentence])
    expect(events).toEqual([{ type: 'refused', key: wanted.key, reason: sentence }])
    expect(await filesBelow(directory)).toEqual([])
    expect(index.records.size).toBe(0)
  })

  test('other bytes than were recorded, after the file is gone', async () => {
    const { store, index, refused, directory, want } = await bench.open()
    const { path } = await store.get(want({ open: async () => sent(zipLike(10_000)) })).finished()
    const records = [...index.records.values()]
    await nodeFs.rm(path)
    const again = store.get(want({ open: async () => sent(zipLike(10_000, 2)) })).finished()
    await expect(again).rejects.toThrow(`instead of ${records[0]?.sha256}`)
    expect(refused).toHaveLength(1)
    expect([...index.records.values()]).toEqual(records)
    expect(await filesBelow(directory)).toEqual([])
  })

  test.each([
    ['a page', '<!DOCTYPE html><title>Sign in</title>', 'is a web page'],
    ['JSON', '{"message":"Not found"}', 'is JSON'],
    ['nothing', '', 'is empty'],
    ['text', 'Please wait', 'is no zip archive'],
    ['a zip that ends early', zipLike(20_000).subarray(0, 15_000), 'ends before the zip does'],
  ])('%s', async (_, body, phrase) => {
    const { store, refused, directory, want } = await bench.open()
    const bytes = Buffer.from(body)
    await expect(store.get(want({ open: async () => sent(bytes, null) })).finished()).rejects.toThrow(phrase)
    expect(refused).toHaveLength(1)
    expect(await filesBelow(directory)).toEqual([])
  })

  test.each([
    ['with a length', 2_001],
    ['without one', null],
  ])('larger than the bound, %s', async (_, declared) => {
    const { store, refused, directory, want } = await bench.open({ largest: 2_000 })
    const sender = new Sender(declared).send(zipLike(2_001))
    const failing = store.get(want({ open: async () => sender.delivery })).finished()
    await expect(failing).rejects.toThrow('is larger than 2000 bytes')
    expect(sender.cancelled).toBe(true)
    expect(refused).toHaveLength(1)
    expect(await filesBelow(directory)).toEqual([])
  })

  test('a failure is repeated for a while, without asking again', async () => {
    let now = 1_700_000_000_000
    const { store, want } = await bench.open({ clock: () => now })
    const open = async () => sent(Buffer.from('<html>'))
    await expect(store.get(want({ open })).finished()).rejects.toThrow('web page')
    await expect(store.get(want({ open: unwanted })).finished()).rejects.toThrow('web page')
    now += 11_000
    expect((await store.get(want({ open: async () => sent(zipLike(100)) })).finished()).size).toBe(100)
  })
})

describe('an upstream that fails', () => {
  const busy = (details: Record<string, unknown> = {}) =>
    new AppError('upstream', 'repo.example.com is busy.', { details: { reason: 'unreachable', ...details } })

  test('is asked again twice, as long as nobody has seen anything', async () => {
    const { store, want } = await bench.open()
    const zip = zipLike(10_000)
    const answers = [
      async () => Promise.reject(busy({ retry_after: 0.01 })),
      async () => new Sender(zip.length).send(zip.subarray(0, 5_000)).breakOff().delivery,
      async () => sent(zip),
    ]
    const open = () => (answers.shift() ?? unwanted)()
    expect((await store.get(want({ open })).finished()).size).toBe(zip.length)
    expect(answers).toHaveLength(0)
  })

  test.each([
    ['wants a long wait', () => busy({ retry_after: 60 })],
    ['says no', () => new AppError('upstream', 'No.', { details: { reason: 'refused' } })],
    ['has no such file', () => new AppError('not_found', 'Gone.')],
  ])('is not asked again when it %s', async (_, failure) => {
    const { store, want } = await bench.open()
    let asked = 0
    const open = async () => {
      asked += 1
      throw failure()
    }
    await expect(store.get(want({ open })).finished()).rejects.toThrow()
    expect(asked).toBe(1)
  })

  test('breaks off after bytes were shown: readers get the error, and the next one starts anew', async () => {
    const { store, directory, want } = await bench.open()
    const zip = zipLike(HELD_BACK * 3)
    const sender = new Sender(zip.length).send(zip.subarray(0, HELD_BACK * 2))
    const incoming = store.get(want({ open: async () => sender.delivery }))
    expect(await incoming.started()).toBeNull()
    const reading = readAll(incoming)
    sender.breakOff()
    const { error, bytes } = await reading
    expect(error).toMatchObject({ kind: 'upstream', message: expect.stringContaining('broke off') })
    expect(bytes.length).toBeLessThanOrEqual(HELD_BACK)
    expect(await filesBelow(directory)).toEqual([])
    const again = await readAll(store.get(want({ open: async () => sent(zip) })))
    expect(again.bytes.equals(zip)).toBe(true)
  })

  test('takes longer than the bound', async () => {
    const { store, directory, want } = await bench.open({ longest: 50 })
    const sender = new Sender().send(zipLike(1_000))
    const open = async (signal: AbortSignal) => {
      signal.addEventListener('abort', () => sender.breakOff(signal.reason))
      return sender.delivery
    }
    await expect(store.get(want({ open })).finished()).rejects.toThrow('takes too long to send the archive')
    expect(await filesBelow(directory)).toEqual([])
  })

  test('hanging on one host does not keep the others waiting', async () => {
    const { store, want } = await bench.open()
    const hanging = Array.from({ length: 100 }, (_, at) =>
      store.get(
        want({
          reference: `${at}`.padStart(40, '0'),
          host: 'slow.example.com',
          open: async () => new Sender().delivery,
        }),
      ),
    )
    const other = store.get(want({ host: 'fast.example.com', open: async () => sent(zipLike(100)) }))
    expect((await other.finished()).size).toBe(100)
    expect(hanging.every((incoming) => !incoming.shown)).toBe(true)
  })
})
