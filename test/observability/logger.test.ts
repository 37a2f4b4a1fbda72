import { describe, expect, test } from 'bun:test'
import { AppError } from '../../src/errors.ts'
import { createLogger, type LogLevel } from '../../src/observability/logger.ts'
import { withoutControls } from '../../src/printable.ts'

const HOSTILE = 'v1\n{"level":"info","message":"forged"}\r\u001b[2J\u0000\u0007\u009b31m\u007f'

function capture(format: 'json' | 'pretty', level: LogLevel = 'debug') {
  const lines: string[] = []
  const now = () => new Date('2026-01-02T03:04:05Z')
  return { lines, logger: createLogger({ format, level, now, write: (line) => void lines.push(line) }) }
}

/** Control characters other than the line break at the end. */
function controls(line: string): string[] {
  return [...line.slice(0, -1)].filter((character) => {
    const code = character.charCodeAt(0)
    return code < 0x20 || (code >= 0x7f && code < 0xa0)
  })
}

describe.each(['json', 'pretty'] as const)('%s', (format) => {
  test('no text can forge a line or move a cursor', () => {
    const { lines, logger } = capture(format)
    const error = new Error(HOSTILE)
    error.stack = `Error: ${HOSTILE}\n    at somewhere`
    logger.info(HOSTILE, { tag: HOSTILE, [HOSTILE]: 1, error, nested: { deep: [HOSTILE] } })
    logger.child({ [HOSTILE]: HOSTILE }).warn('x', { error: new AppError('upstream', HOSTILE, { cause: HOSTILE }) })
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      expect(line.endsWith('\n')).toBe(true)
      expect(controls(line)).toEqual([])
    }
  })

  test('a value that cannot be written does not stop the program', () => {
    const { lines, logger } = capture(format)
    const circle: Record<string, unknown> = {}
    circle.self = circle
    logger.info('odd', { circle, big: 10n, symbol: Symbol('x'), nothing: null, missing: undefined, run: () => 1 })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('odd')
  })

  test('levels below the chosen one are not written', () => {
    const { lines, logger } = capture(format, 'warn')
    logger.debug('d')
    logger.info('i')
    logger.warn('w')
    logger.error('e')
    expect(lines).toHaveLength(2)
    expect([logger.enabled('info'), logger.enabled('warn')]).toEqual([false, true])
  })
})

test('json: one object per line with time, level, message and fields', () => {
  const { lines, logger } = capture('json')
  logger.child({ part: 'sync' }).info('done', { saved: 2, text: 'ünïcode “quoted”' })
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    time: '2026-01-02T03:04:05.000Z',
    level: 'info',
    message: 'done',
    part: 'sync',
    saved: 2,
    text: 'ünïcode “quoted”',
  })
})

test('json: fields cannot replace what a line says about itself', () => {
  const { lines, logger } = capture('json')
  logger.error('real', { level: 'debug', message: 'forged', time: 'never' })
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'error',
    message: 'real',
    time: '2026-01-02T03:04:05.000Z',
  })
})

test('expected failures are told in a sentence with their cause, bugs with their stack', () => {
  const { lines, logger } = capture('json')
  logger.warn('x', { error: new AppError('upstream', 'It is down.', { cause: new Error('ECONNREFUSED') }) })
  logger.warn('x', { error: new TypeError('bug') })
  expect(JSON.parse(lines[0] ?? '').error).toBe('It is down. (ECONNREFUSED)')
  expect(JSON.parse(lines[1] ?? '').error).toContain('logger.test.ts')
  logger.warn('x', { error: new AppError('upstream', 'It is down: no route.', { cause: new Error('no route') }) })
  expect(JSON.parse(lines[2] ?? '').error).toBe('It is down: no route.')
})

test('withoutControls', () => {
  expect(withoutControls('a\u001b[31mb\r\nc\u0085d ü')).toBe('a [31mb c d ü')
})
