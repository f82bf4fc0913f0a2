// Contract 4.2: a raasTxnRef is decided once, and every repeat of it is answered from that.
import { codeOf, type Kit, must, NotTried, said } from "../kit.ts";
import { wrongPin } from "../profile.ts";
import type { Rule } from "../rule.ts";

const sameBytes = (kit: Kit, body: string) => kit.raw("reserveFunds", { body }, JSON.parse(body));

/** More wrong tries than lock a PIN anywhere, if repeats counted. */
const REPEATS_OF_A_WRONG_PIN = 4;

export const repeatRules: readonly Rule[] = [
  {
    id: "repeat.same",
    section: "4.2",
    words: "Same content: the first answer again, byte for byte",
    needs: ["active"],
    async run(kit) {
      const { fields, answer } = await kit.reserved();
      const again = await sameBytes(kit, JSON.stringify(fields));
      must(again.body === answer.body, `the repeat got ${said(again)}, and not the same bytes`);
    },
  },
  {
    id: "repeat.decline",
    section: "4.2",
    words: "A decline stays a decline: its repeat has the same answer",
    needs: ["unmapped"],
    async run(kit) {
      const body = JSON.stringify(kit.reserveFields({ sourceIdentifier: kit.profile.unmapped }));
      const first = await sameBytes(kit, body);
      const again = await sameBytes(kit, body);
      must(again.body === first.body, `first ${said(first)}, then ${said(again)}, other bytes`);
    },
  },
  {
    id: "repeat.meaning",
    section: "4.2",
    words: 'Same compares by meaning: 10000 is "10000", absent is null, and nothing else counts',
    needs: ["active"],
    async run(kit) {
      const { fields } = await kit.reserved({ feeAmount: 0, targetIdentifier: null });
      const { feeAmount: _, targetIdentifier: __, ...rest } = fields;
      const reserveAmount = String(rest["reserveAmount"]);
      const spelled = { ...rest, reserveAmount, targetIdentifier: "", clientShareAmount: "00" };
      const others = { channelId: 4, clientTxnRef: "other", timestamp: "later", channelName: "x" };
      for (const [what, repeat] of Object.entries({
        "numbers as texts": spelled,
        "another channel, timestamp and clientTxnRef": { ...fields, ...others },
      })) {
        const answer = await kit.reserveOnly(repeat);
        if (answer.status === 400) throw new NotTried(`${what}: not served at all`);
        must(codeOf(answer) === "0000", `${what}: got ${said(answer)}`);
      }
    },
  },
  {
    id: "repeat.conflict",
    section: "4.2",
    words: "Other content: no second hold, 2090; the first outcome stands",
    needs: ["active"],
    async run(kit) {
      const { fields, amount } = await kit.reserved();
      for (const changed of [{ reserveAmount: amount + 1 }, { targetIdentifier: "27821110000" }]) {
        const answer = await kit.reserveOnly({ ...fields, ...changed });
        const what = `another ${Object.keys(changed).join()}`;
        must(codeOf(answer) === "2090", `${what}: expected "2090", got ${said(answer)}`);
      }
      kit.expects("conflict", String(fields["raasTxnRef"]));
      const again = await kit.reserveOnly(fields);
      must(codeOf(again) === "0000", `the first one again: got ${said(again)}`);
    },
  },
  {
    id: "repeat.released",
    section: "4.2",
    words: "Success is never said where nothing is held: after a release a repeat answers 2060",
    needs: ["active"],
    async run(kit) {
      const reservation = await kit.reserved();
      await kit.ended(reservation, "2201");
      const answer = await kit.reserveOnly(reservation.fields);
      must(codeOf(answer) === "2060", `expected responseCode "2060", got ${said(answer)}`);
    },
  },
  {
    id: "repeat.debited",
    section: "4.2",
    words: "After a debit a repeat has the first Success",
    needs: ["active", "debit"],
    async run(kit) {
      const reservation = await kit.reserved();
      await kit.ended(reservation, "0000");
      const answer = await kit.reserveOnly(reservation.fields);
      must(codeOf(answer) === "0000", `expected responseCode "0000", got ${said(answer)}`);
    },
  },
  {
    id: "repeat.at-once",
    section: "4.2",
    words: "Repeats while the first is still running wait for it: one hold, one answer",
    needs: ["active"],
    async run(kit) {
      const body = JSON.stringify(kit.reserveFields());
      const answers = await Promise.all(Array.from({ length: 5 }, () => sameBytes(kit, body)));
      const other = answers.find((answer) => codeOf(answer) !== "0000");
      must(other === undefined, `one of five at once: got ${other && said(other)}`);
      const bodies = new Set(answers.map((answer) => answer.body));
      must(bodies.size === 1, `five at once got ${bodies.size} different answers`);
    },
  },
  {
    id: "repeat.pin",
    section: "4.2",
    words: "A repeat evaluates no PIN and counts nothing",
    needs: ["withPin", "pin"],
    async run(kit) {
      const { withPin: sourceIdentifier, pin } = kit.profile;
      const right = { sourceIdentifier, authCode: pin };
      // It also forgets what was counted before.
      if (codeOf(await kit.reserve(right)) !== "0000") throw new NotTried("the PIN is not served");
      const wrong = kit.reserveFields({ sourceIdentifier, authCode: wrongPin(pin ?? "") });
      for (let times = 0; times <= REPEATS_OF_A_WRONG_PIN; times += 1) await kit.reserveOnly(wrong);
      const answer = await kit.reserve(right);
      const what = `the right PIN after one wrong request, ${REPEATS_OF_A_WRONG_PIN} times repeated`;
      must(codeOf(answer) === "0000", `${what}: got ${said(answer)}`);
    },
  },
];
