import { expect, spyOn, test } from 'bun:test'
import { report } from '../../src/commands/repository-arguments.ts'

test('a repository is printed with what its host says of it', () => {
  const printed: string[] = []
  const log = spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line))
  const view = {
    ...{ id: 'repo_1', url: 'https://github.com/acme/lib.git', status: 'active', packages: 1, versions: 2 },
    ...{ error_code: null, error_message: null, issues: [], progress: null },
    ...{ last_synced_at: null, next_sync_at: null, webhook_url: null, last_webhook_at: null },
    host: { path: 'acme/lib', visibility: 'private', archived: true },
    host_error: { message: 'api.github.com answered with status 502.' },
  }
  try {
    expect(report(view, false)).toBe(0)
    expect(report({ ...view, host: null, host_error: null }, false)).toBe(0)
    const refusal = { error_code: 'auth', error_message: 'It refuses.', next_sync_at: 1_800_000_000 }
    expect(report({ ...view, status: 'error', ...refusal, host_error: { message: 'It refuses.' } }, false)).toBe(1)
  } finally {
    log.mockRestore()
  }
  expect(printed.join('\n').split('\n')).toEqual([
    'repo_1  active  1 packages, 2 versions  https://github.com/acme/lib.git',
    '  acme/lib  private, archived',
    '  host: api.github.com answered with status 502.',
    'repo_1  active  1 packages, 2 versions  https://github.com/acme/lib.git',
    'repo_1  error  1 packages, 2 versions  https://github.com/acme/lib.git',
    '  acme/lib  private, archived',
    '  auth: It refuses.',
    '  It is tried again at 2027-01-15T08:00:00Z.',
  ])
})
