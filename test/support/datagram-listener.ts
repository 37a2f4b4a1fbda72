/** Prints what comes in at a Unix datagram socket, a message a line; Bun and Node.js have no such sockets. */
const PROGRAM = `use Socket; $| = 1; my $name = $ARGV[0]; $name =~ s/^@/\\0/;
my $s; socket($s, AF_UNIX, SOCK_DGRAM, 0) && bind($s, sockaddr_un($name)) || die "$!\\n"; print "bound\\n";
while (defined recv($s, my $m, 65536, 0)) { $m =~ s/\\n/ /g; print "$m\\n" }`

const PATIENCE_MS = 20_000

/** A Unix datagram socket as a service manager has one for the messages of what it started. */
export class DatagramListener {
  readonly messages: string[] = []

  private constructor(
    readonly address: string,
    private readonly child: Bun.Subprocess<'ignore', 'pipe', 'inherit'>,
  ) {}

  /** Listens at a path, or at an abstract name after `@`. */
  static async listen(address: string): Promise<DatagramListener> {
    const child = Bun.spawn(['perl', '-e', PROGRAM, address], { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' })
    const listener = new DatagramListener(address, child)
    void listener.read()
    await listener.until((messages) => messages.length > 0)
    listener.messages.length = 0
    return listener
  }

  /** Waits until the messages are as wanted. */
  async until(wanted: (messages: readonly string[]) => boolean): Promise<void> {
    const end = Date.now() + PATIENCE_MS
    while (!wanted(this.messages)) {
      if (Date.now() > end) throw new Error(`nothing more came after ${JSON.stringify(this.messages)}`)
      await Bun.sleep(5)
    }
  }

  async close(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.child.exited
  }

  private async read(): Promise<void> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of this.child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      this.messages.push(...lines)
    }
  }
}
