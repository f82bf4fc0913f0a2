// The text of the systemd unit, from what differs between machines. What is locked away is what a
// server of two HTTP endpoints and one folder never needs; systemd.exec(5) explains each line.

/** The service, its user and the name of what systemd keeps for it. */
export const SERVICE = "transact-bank";
export const SERVICE_DATA_DIR = `/var/lib/${SERVICE}`;

/** Keys that systemd may hand to the server in place of the files of the same name in keys/. */
const CREDENTIALS = ["pin.key", "receipt.key", "signature.json", "basic.json"] as const;
/** In the stores of systemd a name says whose it is. */
export const credentialName = (file: string): string => `${SERVICE}.${file}`;

/** Where credentials come from: nowhere, /etc/credstore.encrypted or /etc/credstore. */
export const CREDENTIAL_SOURCES = ["none", "encrypted", "plain"] as const;
export type CredentialSource = (typeof CREDENTIAL_SOURCES)[number];

export type UnitOptions = {
  /** The program's path. */
  readonly program: string;
  readonly user: string;
  readonly dataDir: string;
  /** Folders beside the data dir that it writes to. */
  readonly writes: readonly string[];
  /** Whether a port below 1024 is listened on. */
  readonly lowPort: boolean;
  readonly credentials: CredentialSource;
};

/** The unit cannot be made of what was given; the message says what to do. */
export class UnitRefused extends Error {}

/** Neither blanks nor what systemd itself gives a meaning to, such as %. */
const PLAIN = /^[\w./@+-]+$/;
/** What the sandbox hides from the service. */
const HIDDEN = /^\/(home|root|tmp|var\/tmp|run\/user)(\/|$)/;

function assertPlain(what: string, text: string): void {
  if (!PLAIN.test(text)) {
    throw new UnitRefused(`${what} ${text} cannot stand in a unit: use letters, digits, / . - _`);
  }
}

function assertSeen(name: string, instead: string): void {
  if (!HIDDEN.test(name)) return;
  throw new UnitRefused(`the service does not see ${name}: use a folder such as ${instead}`);
}

function assertUsable({ program, user, dataDir, writes }: UnitOptions): void {
  assertPlain("the program", program);
  assertSeen(program, "/usr/local/bin");
  assertPlain("the user", user);
  for (const folder of [dataDir, ...writes]) {
    assertPlain("the folder", folder);
    assertSeen(folder, SERVICE_DATA_DIR);
  }
}

function foldersOf({ dataDir, writes }: UnitOptions): string[] {
  const own =
    dataDir === SERVICE_DATA_DIR
      ? [`StateDirectory=${SERVICE}`, "StateDirectoryMode=0700"]
      : [`ReadWritePaths=${dataDir}`];
  // With the "-" a folder that is missing, such as of a disk that is gone, keeps no bank from serving.
  return [...own, ...writes.map((folder) => `ReadWritePaths=-${folder}`)];
}

function credentialsOf({ credentials }: UnitOptions): string[] {
  if (credentials === "none") return [];
  const setting = credentials === "encrypted" ? "LoadCredentialEncrypted" : "LoadCredential";
  return [
    "# Those that are not in the credential store are read from keys/ as ever.",
    ...CREDENTIALS.map((file) => `${setting}=${credentialName(file)}`),
  ];
}

function capabilitiesOf({ lowPort }: UnitOptions): string[] {
  if (!lowPort) return ["CapabilityBoundingSet=", "AmbientCapabilities=", "PrivateUsers=yes"];
  return [
    "# For the port below 1024, and with it no PrivateUsers: the port is not that namespace's.",
    "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
    "AmbientCapabilities=CAP_NET_BIND_SERVICE",
  ];
}

/** The unit as a file. Throws UnitRefused where a name cannot stand in one. */
export function unitText(options: UnitOptions): string {
  assertUsable(options);
  const { program, user, dataDir } = options;
  return `# Made by "${SERVICE} service install", which writes it anew: change it with
# "systemctl edit ${SERVICE}", whose file stays.
[Unit]
Description=Airtime purchases through Clickatell (${SERVICE})
Wants=network-online.target
After=network-online.target time-sync.target
# It goes on trying for ever: a bank that stays down after a broken disk was mended sells nothing.
StartLimitIntervalSec=0

[Service]
Type=exec
User=${user}
Group=${user}
ExecStart=${program} serve --data-dir ${dataDir}
# It reads its TLS files anew.
ExecReload=/bin/kill -HUP $MAINPID
# Where a flush fails it kills itself, so that nothing is answered that is not on the disk; what
# was answered is read back from there.
Restart=always
RestartSec=2
# A wrong flag stays wrong.
RestartPreventExitStatus=2
# It answers what it has accepted, and promises to be done in five seconds.
TimeoutStopSec=10
OOMScoreAdjust=-500

${[...foldersOf(options), ...credentialsOf(options)].join("\n")}
UMask=0077
LimitNOFILE=65536
LimitCORE=0

${capabilitiesOf(options).join("\n")}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
DevicePolicy=closed
KeyringMode=private
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: the program's runtime compiles to machine code as it runs. With it
# the program works, at half its speed or less.

[Install]
WantedBy=multi-user.target
`;
}

/** What an installed unit was made of, so that it stays so unless something else is asked for. */
export function readUnit(text: string): Partial<UnitOptions> {
  const [, program, dataDir] = /^ExecStart=(\S+) serve --data-dir (\S+)$/m.exec(text) ?? [];
  const user = /^User=(\S+)$/m.exec(text)?.[1];
  if (program === undefined || dataDir === undefined || user === undefined) return {};
  const credentials = /^LoadCredentialEncrypted=/m.test(text)
    ? "encrypted"
    : /^LoadCredential=/m.test(text)
      ? "plain"
      : "none";
  return { program, dataDir, user, credentials };
}
