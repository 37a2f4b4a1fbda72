import { AppError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { SealedValueTable } from '../store/sealed-values.ts'
import { createNextKey, type KeyPlace, keyChangeUnfinished, promoteNextKey } from './encryption-key.ts'
import type { KeyedBox } from './secret-box.ts'

/** What a change of the key did. */
export interface KeyChange {
  /** Values that were sealed anew. */
  readonly resealed: number
  /** Where the key is: made here in a file, or given from outside. */
  readonly key: 'file' | 'environment'
}

/** Changes the key of stored secrets while they are used. */
export class KeyRotation {
  private running: Promise<KeyChange> | null = null

  constructor(
    private readonly parts: {
      readonly box: KeyedBox
      readonly sealed: SealedValueTable
      readonly place: KeyPlace
      readonly logger: Logger
    },
  ) {}

  /**
   * Seals everything with a new key: one that is made, when the key is in the file here, else the configured one. Each
   * value is one write, and both keys open values until the last is done, so it can be cut short anywhere and goes on
   * at the next start or call. Throws AppError('conflict') when a configured key has no successor.
   */
  rotate(): Promise<KeyChange> {
    this.running ??= this.change().finally(() => {
      this.running = null
    })
    return this.running
  }

  /** Ends a change that was cut short. */
  async resume(): Promise<void> {
    if (keyChangeUnfinished(this.parts.place)) await this.finish('file')
  }

  private async change(): Promise<KeyChange> {
    const { place, box } = this.parts
    if (place.encryptionKey === null) {
      if (!keyChangeUnfinished(place)) box.adopt(createNextKey(place))
      return this.finish('file')
    }
    if (place.previousEncryptionKey === null) throw new AppError('conflict', NO_SUCCESSOR)
    return this.finish('environment')
  }

  private async finish(key: KeyChange['key']): Promise<KeyChange> {
    const { box, sealed, place, logger } = this.parts
    let resealed = 0
    for await (const value of sealed.all()) {
      const text = box.resealed(value.sealed, value.place)
      if (text === null) continue
      await value.replace(text)
      resealed++
    }
    if (key === 'file') {
      promoteNextKey(place)
      box.forgetOlder()
    }
    logger.info('encryption key changed', { resealed, key })
    return { resealed, key }
  }
}

const NO_SUCCESSOR =
  'The key is configured: start the server with ENCRYPTION_KEY set to a new key and ENCRYPTION_KEY_PREVIOUS to the present one, then rotate.'
