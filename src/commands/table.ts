import { advisory } from './advisory.ts'
import { artifact } from './artifact.ts'
import { audit } from './audit.ts'
import { backup } from './backup.ts'
import type { Command } from './command.ts'
import { config } from './config.ts'
import { discovery } from './discovery.ts'
import { doctor } from './doctor.ts'
import { exportCommand } from './export.ts'
import { filter } from './filter.ts'
import { gc } from './gc.ts'
import { healthcheck } from './healthcheck.ts'
import { importCommand } from './import.ts'
import { mirror } from './mirror.ts'
import { packages } from './package.ts'
import { repository } from './repository.ts'
import { restore } from './restore.ts'
import { rotateKey } from './rotate-key.ts'
import { serve } from './serve.ts'
import { systemd } from './systemd.ts'
import { token } from './token.ts'
import { verify } from './verify.ts'

/** Every subcommand by its name, in the order of the overview. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  serve,
  repository,
  discovery,
  artifact,
  package: packages,
  token,
  mirror,
  export: exportCommand,
  import: importCommand,
  advisory,
  filter,
  audit,
  backup,
  restore,
  verify,
  gc,
  'rotate-key': rotateKey,
  doctor,
  config,
  healthcheck,
  systemd,
}
