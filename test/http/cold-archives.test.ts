import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestApp } from '../support/app.ts'
import { GitFront } from '../support/git-front.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { readMetrics } from '../support/metrics.ts'
import { library } from '../support/packages.ts'

/** More than the places there are to wait in. */
const RELEASES = 1_050

let app: TestApp
let git: GitServer
let root: string
/** Two hosts: one that stops answering fetches when a test says so, and one that never does. */
let slow: GitFront
let fast: GitFront
let release = () => {}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'cold-archives-'))
  const version = (at: number) => ({ tags: [`1.0.${at}`] })
  createGitRepository(join(root, 'slow.git'), {
    commits: Array.from({ length: RELEASES }, (_, at) => library('slow/lib', `slow ${at}`, version(at))),
  })
  createGitRepository(join(root, 'fast.git'), {
    commits: Array.from({ length: 3 }, (_, at) => library('fast/lib', `fast ${at}`, version(at))),
  })
  git = await startGitServer({ root })
  slow = new GitFront(git.url)
  fast = new GitFront(git.url)
  app = await TestApp.start()
  await app.addRepository(`${slow.url}/slow.git`)
  await app.addRepository(`${fast.url}/fast.git`)
})

afterAll(async () => {
  release()
  await app?.stop()
  for (const server of [slow, fast, git]) await server?.stop()
  rmSync(root, { recursive: true, force: true })
})

async function jobs(state: 'running' | 'waiting'): Promise<number> {
  const metrics = readMetrics(await (await app.ask('/metrics')).text())
  return metrics.get(`archive_jobs{store="built",state="${state}"}`) ?? Number.NaN
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(10)
}

test('a git host that does not answer, and a token that wants everything: others get what they ask for', async () => {
  const make = async () => (await app.token({ rate_limit_max: 0 })).token
  const [greedy, ...tokens] = await Promise.all(Array.from({ length: 20 }, make))
  const archive = (name: string, at: number, token = greedy) =>
    app.ask(`/dist/${name}/1.0.${at}.zip`, { token: token ?? '' })
  expect((await archive('fast/lib', 0, tokens[0])).status).toBe(200)

  const opened = Promise.withResolvers<void>()
  release = () => {
    slow.fault = null
    opened.resolve()
  }
  slow.fault = (_, forward) => opened.promise.then(forward)
  const answered = { greedy: [] as Response[], modest: [] as Response[] }
  const keep = (whose: keyof typeof answered) => (response: Response) => void answered[whose].push(response)
  for (let at = 0; at < RELEASES; at++) void archive('slow/lib', at).then(keep('greedy'))
  await until(async () => (await jobs('waiting')) > 900)
  const modest = tokens.map((token, at) => archive('slow/lib', RELEASES - 1 - at, token).then(keep('modest')))
  await until(async () => answered.greedy.length >= RELEASES - 1_002)

  // Two builds hang; everything that is on another host, or on disk, goes on, for every token.
  expect(await jobs('running')).toBe(2)
  expect((await archive('fast/lib', 0, tokens[1])).status).toBe(200)
  expect((await archive('fast/lib', 1, tokens[2])).status).toBe(200)
  expect((await archive('fast/lib', 2)).status).toBe(200)
  // Only the one who asked for more than can wait was turned away, with the answer that Composer tries again.
  expect(answered.modest).toEqual([])
  for (const response of answered.greedy) {
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  }
  // Nineteen lines of one take turns with the line of a thousand.
  release()
  await Promise.all(modest)
  expect(answered.modest.map(({ status }) => status)).toEqual(tokens.map(() => 200))
  const builtOfGreedy = answered.greedy.filter(({ status }) => status === 200).length
  expect(builtOfGreedy).toBeLessThan(10)
})
