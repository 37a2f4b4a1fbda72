import { describe, expect, test } from 'bun:test'
import { pktLine } from '../../src/git/pkt-line.ts'
import { SmartHttpTransport } from '../../src/git/smart-http.ts'
import { soon } from '../support/git-client.ts'
import { buildPack, objectId } from '../support/git-pack.ts'
import { ADVERTISEMENT, answer, CAPABILITIES, failure, RESULT, scripted } from '../support/git-scripted.ts'
import { OneFileRepository } from '../support/one-file.ts'

describe('answers to ls-refs', () => {
  const id = 'a'.repeat(40)

  test('names that git forbids are left out and named', async () => {
    const lines = [
      'refs/heads/ok',
      'refs/heads/a..b',
      'refs/heads/x.lock',
      'refs/tags/.hidden',
      'refs/tags/a~1',
      'refs/tags/a\u0007b',
    ]
    const body = lines.map((name) => pktLine(`${id} ${name}`)).join('')
    const bytes = Buffer.concat([
      Buffer.from(body),
      Buffer.from(`003a${id} refs/tags/`),
      Buffer.from([0xff, 0xfe, 0x0a]),
      Buffer.from('0000'),
    ])
    const list = await scripted(answer(bytes, RESULT)).listRefs(soon())
    expect(list.refs.map(({ name }) => name)).toEqual(['refs/heads/ok'])
    expect(list.skipped.length).toBe(6)
    expect(list.skipped.map(({ name }) => name).join('')).not.toContain('\u0007')
  })

  test('broken lines and a list that is cut off are refused', async () => {
    const good = pktLine(`${id} refs/heads/main`)
    for (const body of [
      `${pktLine('nonsense')}0000`,
      `${pktLine(`${id.slice(1)} refs/heads/x`)}0000`,
      good,
      `${good}0001`,
      `${good}00`,
    ]) {
      expect([body, (await failure(scripted(answer(body, RESULT)).listRefs(soon()))).reason]).toEqual([
        body,
        'protocol',
      ])
    }
    const peeled = pktLine(`${id} refs/tags/x peeled:nothing`)
    expect((await failure(scripted(answer(`${peeled}0000`, RESULT)).listRefs(soon()))).reason).toBe('protocol')
  })
})

describe('answers to fetch', () => {
  const tree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
  const commit = `tree ${tree}\nauthor A <a@b> 7 +0000\ncommitter A <a@b> 7 +0000\n\nx\n`
  const id = objectId('commit', commit)
  const pack = buildPack([{ type: 'commit', content: commit }])

  function band(number: number, bytes: Uint8Array | string): Buffer {
    const content = Buffer.from(bytes)
    const length = (content.length + 5).toString(16).padStart(4, '0')
    return Buffer.concat([Buffer.from(length), Buffer.from([number]), content])
  }
  const reply = (...parts: (string | Uint8Array)[]) =>
    answer(Buffer.concat(parts.map((part) => Buffer.from(part))), RESULT)
  const read = async (...parts: (string | Uint8Array)[]) =>
    (await scripted(() => reply(...parts)).readFile('composer.json', [id], soon())).get(id)

  test('sections before the pack and progress within it are skipped', async () => {
    const file = await read(
      pktLine('shallow-info'),
      pktLine(`shallow ${id}`),
      '0001',
      pktLine('unknown-section'),
      pktLine('x'),
      '0001',
      pktLine('packfile'),
      band(2, 'Counting objects'),
      band(1, pack.subarray(0, 7)),
      band(2, '50%'),
      band(1, pack.subarray(7)),
      '0000',
    )
    expect(file).toEqual({ kind: 'absent', commit: id, committedAt: 7 })
  })

  test('chunks of any size', async () => {
    const bytes = Buffer.concat([Buffer.from(pktLine('packfile')), band(1, pack), Buffer.from('0000')])
    for (const size of [1, 3, 50]) {
      const stream = () =>
        new ReadableStream<Uint8Array>({
          start(controller) {
            for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size))
            controller.close()
          },
        })
      const files = await scripted(() => answer(stream(), RESULT)).readFile('composer.json', [id], soon())
      expect(files.get(id)?.kind).toBe('absent')
    }
  })

  test('another object than the one wanted', async () => {
    const other = buildPack([{ type: 'commit', content: `${commit}y` }])
    expect((await read(pktLine('packfile'), band(1, other), '0000'))?.kind).toBe('unreadable')
  })

  const wrong: [string, (string | Uint8Array)[], string][] = [
    ['a flipped bit', [pktLine('packfile'), band(1, flipped(pack)), '0000'], 'protocol'],
    ['a wrong checksum', [pktLine('packfile'), band(1, pack.subarray(0, -1)), band(1, 'x'), '0000'], 'protocol'],
    ['a pack cut off', [pktLine('packfile'), band(1, pack.subarray(0, 30)), '0000'], 'protocol'],
    ['no flush at the end', [pktLine('packfile'), band(1, pack)], 'protocol'],
    ['cut off in a packet', [pktLine('packfile'), band(1, pack).subarray(0, 40)], 'protocol'],
    ['no pack', [pktLine('shallow-info'), '0000'], 'protocol'],
    ['nothing', ['0000'], 'protocol'],
    ['an unknown band', [pktLine('packfile'), band(7, pack), '0000'], 'protocol'],
    ['an error on band 3', [pktLine('packfile'), band(3, 'out of \u001b[31mmemory\n'), '0000'], 'refused'],
    ['an ERR packet', [pktLine('ERR upload-pack: \u001b[2Jtrouble')], 'refused'],
    ['an ERR packet about rates', [pktLine('ERR too many requests')], 'rate_limited'],
  ]
  for (const [name, parts, reason] of wrong) {
    test(`refused: ${name}`, async () => {
      const failed = await failure(read(...parts))
      expect(failed.reason).toBe(reason)
      expect(failed.message).not.toMatch(/\p{Cc}/u)
      const snapshot = scripted(() => reply(...parts)).snapshot(id, soon())
      expect((await failure(snapshot)).reason).toBe(reason)
    })
  }

  test('a connection that breaks', async () => {
    const stream = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(Buffer.from(pktLine('packfile')))
          controller.error(new Error('reset'))
        },
      })
    const failed = await failure(scripted(() => answer(stream(), RESULT)).readFile('composer.json', [id], soon()))
    expect(failed.reason).toBe('unreachable')
  })

  test('a wrong type of answer', async () => {
    expect((await failure(scripted(answer('x', 'text/html')).snapshot(id, soon()))).reason).toBe('protocol')
  })

  test('a server that gives away no single objects is read without filters', async () => {
    const manifest = '{"name":"acme/lib"}'
    const blob = objectId('blob', manifest)
    const content = Buffer.concat([Buffer.from('100644 composer.json\0'), Buffer.from(blob, 'hex')])
    const full = `tree ${objectId('tree', content)}\nauthor A <a@b> 7 +0000\ncommitter A <a@b> 7 +0000\n\nx\n`
    const wanted = objectId('commit', full)
    const requests: string[] = []
    const send = async ({ method, body }: { method: string; body?: Uint8Array }) => {
      if (method === 'GET') return answer(CAPABILITIES, ADVERTISEMENT)
      const request = Buffer.from(body ?? []).toString()
      requests.push(request.includes(`want ${wanted}`) ? (/filter (\S+)/.exec(request)?.[1] ?? 'none') : 'object')
      if (!request.includes(`want ${wanted}`)) return reply(pktLine(`ERR want ${blob} not valid`))
      const trees = [
        { type: 'commit', content: full },
        { type: 'tree', content },
      ] as const
      const packed = buildPack(request.includes('filter') ? trees : [...trees, { type: 'blob', content: manifest }])
      return reply(pktLine('packfile'), band(1, packed), '0000')
    }
    const git = new OneFileRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
    const file = (await git.readFile('composer.json', [wanted], soon())).get(wanted)
    expect(file?.kind === 'file' ? Buffer.from(file.content ?? []).toString() : file).toBe(manifest)
    expect(requests).toEqual(['tree:1', 'object', 'none'])
    expect((await git.snapshot(wanted, soon())).files.length).toBe(1)
    expect(requests.slice(3)).toEqual(['none'])
  })

  test('github is asked for trees one by one from the start', async () => {
    const filters: string[] = []
    const send = async ({ method, body }: { method: string; body?: Uint8Array }) => {
      if (method === 'GET')
        return answer(CAPABILITIES.replace('0013agent=git/2.40', '001aagent=git/github-abcd'), ADVERTISEMENT)
      filters.push(/filter (\S+)/.exec(Buffer.from(body ?? []).toString())?.[1] ?? 'none')
      return reply(pktLine('packfile'), band(1, pack), '0000')
    }
    const git = new OneFileRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
    await git.readFile('composer.json', [id], soon())
    expect(filters).toEqual(['tree:0'])
  })

  function flipped(bytes: Uint8Array): Buffer {
    const copy = Buffer.from(bytes)
    copy[20] = (copy[20] ?? 0) ^ 1
    return copy
  }
})
