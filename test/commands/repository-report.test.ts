import { expect, spyOn, test } from 'bun:test'
import { report } from '../../src/commands/repository-arguments.ts'

test('a repository is printed with what its host says of it', () => {
  const printed: string[] = []
  const log = spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line))
  const view = {
    ...{ id: 'repo_1', url: 'https://github.com/acme/lib.git', status: 'active', packages: 1, versions: 2 },
    ...{ error_message: null, issues: [], progress: null },
    host: { path: 'acme/lib', visibility: 'private', archived: true },
    host_error: { message: 'api.github.com answered with status 502.' },
  }
  try {
    expect(report(view, false)).toBe(0)
    expect(report({ ...view, host: null, host_error: null }, false)).toBe(0)
  } finally {
    log.mockRestore()
  }
  expect(printed.join('\n').split('\n')).toEqual([
    'repo_1  active  1 packages, 2 versions  https://github.com/acme/lib.git',
    '  acme/lib  private, archived',
    '  api.github.com answered with status 502.',
    'repo_1  active  1 packages, 2 versions  https://github.com/acme/lib.git',
  ])
})
