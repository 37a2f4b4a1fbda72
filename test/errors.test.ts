import { expect, test } from 'bun:test'
import { AppError, isAppError, messageOf } from '../src/errors.ts'

test('an AppError is recognised by class and kind', () => {
  const error = new AppError('conflict', 'It exists.', { details: { id: 'repo_1' }, cause: 'why' })
  expect([isAppError(error), isAppError(error, 'conflict'), isAppError(error, 'invalid')]).toEqual([true, true, false])
  expect(error).toMatchObject({ name: 'AppError', message: 'It exists.', details: { id: 'repo_1' }, cause: 'why' })
  expect('cause' in new AppError('invalid', 'x')).toBe(false)
  for (const other of [new Error('x'), { kind: 'conflict' }, null, 'conflict']) expect(isAppError(other)).toBe(false)
})

test('every thrown value has a sentence', () => {
  expect([messageOf(new Error('x')), messageOf('y'), messageOf(null), messageOf(7)]).toEqual(['x', 'y', 'null', '7'])
})
