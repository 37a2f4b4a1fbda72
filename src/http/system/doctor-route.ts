import { Elysia } from 'elysia'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { SYSTEM_OPERATIONS } from './operations.ts'

/** What a look at the installation found, as the doctor has it. */
export interface ShownFinding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failure'
  readonly found: string
  readonly advice: string | null
}

/** What the route of the doctor works with. */
export interface DoctorRouteParts {
  readonly verifier: TokenVerifier
  readonly examine: () => Promise<readonly ShownFinding[]>
}

/** `/api/doctor`: what the server finds of itself and its surroundings. */
export function doctorRoute({ verifier, examine }: DoctorRouteParts) {
  return new Elysia({ name: 'doctor' })
    .use(authenticate(verifier, 'unrestricted token'))
    .get('/api/doctor', async () => [...(await examine())], { detail: SYSTEM_OPERATIONS.doctor })
}
