// What Clickatell's channel numbers mean (contract.md 1).

const CHANNELS: Readonly<Record<number, string>> = {
  1: "POS",
  2: "Internet",
  3: "Mobile",
  4: "ATM",
  6: "SMS",
  7: "USSD",
  8: "WhatsApp",
  13: "Apple Business Chat",
};

/** A channel as people read it: "7 USSD"; its number alone where it is another. */
export function channelText(channelId: number | null): string {
  if (channelId === null) return "";
  const name = CHANNELS[channelId];
  return name === undefined ? String(channelId) : `${channelId} ${name}`;
}
