import { describe, expect, test } from 'bun:test'
import { createSecretBox } from '../../src/auth/secret-box.ts'
import { AppError } from '../../src/errors.ts'
import { credentialsPlace } from '../../src/store/repositories.ts'
import { failureOf } from '../../src/sync/failure-policy.ts'
import { placeFinder } from '../../src/sync/job-place.ts'
import { lookInterval, nextLook, nextRetry } from '../../src/sync/schedule.ts'
import { repositoryRow } from '../store/support.ts'

const now = 1_800_000_000
const HOUR = 3_600
const DAY = 24 * HOUR

describe('the sweep', () => {
  const watched = { syncInterval: null, lastWebhookAt: null, probedAt: null }
  test.each([
    ['nobody tells of changes', {}, 900],
    ['its webhook was heard lately', { lastWebhookAt: now - 29 * DAY }, 6 * HOUR],
    ['its webhook has not been heard for long', { lastWebhookAt: now - 31 * DAY }, 900],
    ['its owner is asked after', { probedAt: now - 600 }, 6 * HOUR],
    ['its owner is not asked after any more', { probedAt: now - 2 * HOUR }, 900],
    ['an interval was set', { syncInterval: 300, lastWebhookAt: now }, 300],
  ])('looks at a repository when %s', (_, change, seconds) => {
    expect(lookInterval({ ...watched, ...change }, 900, now)).toBe(seconds)
  })

  test('is never rarer than what was set for all, and falls 15 % around it', () => {
    expect(lookInterval({ ...watched, probedAt: now }, DAY, now)).toBe(DAY)
    expect(nextLook(1_000, now, () => 0)).toBe(now + 850)
    expect(nextLook(1_000, now, () => 1)).toBe(now + 1_150)
  })
})

describe('after a failure', () => {
  const failed = (reason: string) => new AppError('upstream', 'It did not work.', { details: { reason } })
  const waitOf = (reason: string, row = repositoryRow('repo_a')) =>
    failureOf(failed(reason), row, { now, limitedUntil: null }).nextSyncAt - now

  test.each(['auth', 'scope', 'permission', 'sso', 'host_key'])(
    '%s waits for a person, and looks once a day',
    (reason) => {
      for (const failures of [0, 5]) {
        const wait = waitOf(reason, repositoryRow('repo_a', { failures, errorCode: reason }))
        expect(wait >= 0.85 * DAY && wait <= 1.15 * DAY).toBe(true)
      }
    },
  )

  test('others are tried again after a minute, and up to six hours later the more often they failed', () => {
    for (const [failures, ceiling] of [
      [0, 60],
      [3, 480],
      [30, 6 * HOUR],
    ] as const) {
      expect(nextRetry(failures, now, () => 0)).toBe(now + ceiling / 2)
      expect(nextRetry(failures, now, () => 1)).toBe(now + ceiling)
    }
  })

  test('missing is believed after three checks within a day, whatever failed before', () => {
    let row = repositoryRow('repo_a', { failures: 7, errorCode: 'unreachable' })
    let time = 0
    const waits: number[] = []
    for (let check = 1; check <= 5; check++) {
      const failure = failureOf(failed('missing'), row, { now, limitedUntil: null })
      expect(failure).toMatchObject({ code: 'missing', failures: check })
      expect(failure.message.includes('once a day')).toBe(check >= 3)
      waits.push(failure.nextSyncAt - now)
      if (check < 3) time += failure.nextSyncAt - now
      row = { ...row, failures: failure.failures, errorCode: failure.code }
    }
    expect(time >= 0.85 * DAY && time <= 1.15 * DAY).toBe(true)
    expect(waits[0]).toBeLessThan(2 * HOUR)
    for (const wait of waits.slice(2)) expect(wait >= 0.85 * DAY && wait <= 1.15 * DAY).toBe(true)
  })
})

describe('what a job speaks to', () => {
  const box = createSecretBox(new Uint8Array(32))
  const placeOf = placeFinder(box)
  const sealed = (id: string, secret: string) => box.seal(secret, credentialsPlace(id))

  test.each([
    ['https://GitHub.com/acme/lib.git', 'github.com:443'],
    ['http://git.example.org/acme/lib', 'git.example.org:80'],
    ['https://git.example.org:8443/lib', 'git.example.org:8443'],
    ['http://[::1]:3000/lib', '[::1]:3000'],
    ['git@GitHub.com:acme/lib.git', 'github.com:22'],
    ['ssh://git@git.example.org:2222/lib.git', 'git.example.org:2222'],
    ['/srv/git/lib.git', ''],
    ['file:///srv/git/lib.git', ''],
    ['uploads of the shop', ''],
  ])('is the host of %s', (url, host) => {
    expect(placeOf({ id: 'repo_a', url, credentials: null })).toEqual({ host, credential: '' })
  })

  test('is its credential, equal for repositories that share it and told to nobody', () => {
    const url = 'https://github.com/acme/lib.git'
    const place = (id: string, secret: string) => placeOf({ id, url, credentials: sealed(id, secret) }).credential
    expect(place('repo_a', 'one')).toBe(place('repo_b', 'one'))
    expect(place('repo_a', 'one')).not.toBe(place('repo_a', 'two'))
    expect(place('repo_a', 'one')).toHaveLength(16)
    const elsewhere = placeFinder(createSecretBox(new Uint8Array(32).fill(1)))
    expect(elsewhere({ id: 'repo_a', url, credentials: sealed('repo_a', 'one') }).credential).toBe('')
  })
})
