// Which part each machine has in the cluster.
import { type Machine, machineNames, runOn } from "./machines.ts";

/** What a machine says of its database: its part, its standbys, and how many sessions wait for one. */
function partOf(machine: Machine): string {
  const sql = `select case when pg_is_in_recovery() then 'standby' else
    'primary on timeline ' || (select timeline_id from pg_control_checkpoint()) ||
    ', synchronous_standby_names=' || current_setting('synchronous_standby_names') || ', sync: ' ||
    (select coalesce(string_agg(application_name, ','), 'none') from pg_stat_replication where sync_state = 'sync') ||
    ', followed by ' || (select count(*) from pg_stat_replication where state = 'streaming') end`;
  const { exit, out } = runOn(
    machine,
    `timeout 2 sudo -u postgres psql -XAt -c "${sql}" 2>/dev/null`,
  );
  return exit === 0 ? out.trim() : "no database";
}

export const partsNow = () => new Map(machineNames.map((name) => [name, safely(name)]));

function safely(machine: Machine): string {
  try {
    return partOf(machine);
  } catch {
    return "off";
  }
}

export function primaryNow(): Machine {
  const primary = machineNames.find((name) => safely(name).startsWith("primary"));
  if (primary === undefined) throw new Error("there is no primary");
  return primary;
}

/** Waits until one is primary, has a synchronous standby, and all the others follow. */
export async function settles(seconds: number): Promise<boolean> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await Bun.sleep(500)) {
    const listed = machineNames
      .map((name) => safely(name))
      .filter((part) => part !== "no database");
    const primaries = listed.filter((part) => part.startsWith("primary"));
    const followed = Number(/followed by (\d+)/.exec(primaries[0] ?? "")?.[1]);
    if (primaries.length === 1 && followed === machineNames.length - 1) return true;
  }
  console.log("it does not settle");
  return false;
}
