import { describe, expect, test } from 'bun:test'
import { FailedLogins } from '../../src/auth/failed-logins.ts'

describe('failures by address', () => {
  test('count for five minutes each, not for a fixed window', () => {
    let now = 1_000
    const failures = new FailedLogins(() => now)
    for (let turn = 0; turn < 10; turn++, now += 20) expect(failures.note('192.0.2.1')).toBe(0)
    // The first was at 1000, so it counts until 1300.
    expect(failures.note('192.0.2.1')).toBe(100)
    now = 1_300
    expect(failures.note('192.0.2.1')).toBe(0)
    expect(failures.note('192.0.2.1')).toBe(20)
  })

  test('a flood of addresses takes bounded memory and pushes out the oldest', () => {
    const failures = new FailedLogins(() => 1_000)
    const fail = (address: string) => Array.from({ length: 11 }, () => failures.note(address)).at(-1)
    expect(fail('192.0.2.1')).toBe(300)
    for (let other = 0; other < 9_999; other++) failures.note(`10.0.${other >> 8}.${other & 255}`)
    expect(failures.note('192.0.2.1')).toBe(300)
    failures.note('10.9.9.9')
    expect(failures.note('192.0.2.1')).toBe(0)
  })

  test('noted before the clock was set back count no more', () => {
    let now = 100_000
    const failures = new FailedLogins(() => now)
    for (let turn = 0; turn < 10; turn++) failures.note('192.0.2.1')
    expect(failures.note('192.0.2.1')).toBe(300)
    now -= 86_400
    for (let turn = 0; turn < 10; turn++) expect(failures.note('192.0.2.1')).toBe(0)
    expect(failures.note('192.0.2.1')).toBe(300)
  })
})
