import { Elysia } from 'elysia'
import { AppError } from '../../errors.ts'

/** Whether the parts that requests need can be used now. Throws what is wrong. */
export type ReadinessCheck = () => Promise<void>

/** `/health`: the process is up. `/ready`: database and archive directory can be used, and it is not shutting down. */
export function systemRoutes({ ready }: { ready: ReadinessCheck }) {
  return new Elysia({ name: 'system' })
    .get('/health', () => ({ status: 'ok' }))
    .get('/ready', async () => {
      try {
        await ready()
      } catch (error) {
        if (error instanceof AppError) throw error
        throw new AppError('unavailable', 'The database or the archive directory cannot be used.', { cause: error })
      }
      return { status: 'ready' }
    })
}
