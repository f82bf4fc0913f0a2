// The activity report: how many purchases were asked for, what they were answered, and what became
// of them, by local day, product and channel.
import { formatAmount, type Minor } from "../domain/money.ts";
import { OUTCOMES } from "../domain/outcomes.ts";
import type { Activity, ActivityFigures, Bank } from "../storage/store.ts";
import { channelText } from "./channels.ts";
import { type Chart, everyDay } from "./chart.ts";
import { type Cell, type Csv, decimal } from "./csv.ts";
import { bankText, type Column, type Page, type Section } from "./page.ts";
import type { Period } from "./settlement.ts";

export type ActivityReport = {
  readonly bank: Bank;
  readonly period: Period;
  readonly activity: Activity;
};

/** So many products and channels are shown to people; scripts get them all. */
const MOST_SHOWN = 10;

const answerText = ({ outcome }: Activity["answers"][number]) => {
  const { code, message } = OUTCOMES[outcome];
  return `${code} ${message}`;
};

function figuresJson({ askedAmount, debitedAmount, ...counts }: ActivityFigures) {
  return { ...counts, askedMinor: askedAmount, debitedMinor: debitedAmount };
}

export function activityJson({ bank, period, activity }: ActivityReport) {
  return {
    from: period.from,
    to: period.to,
    timeZone: bank.timeZone,
    currency: bank.currency,
    total: figuresJson(activity.total),
    days: activity.days.map(({ day, ...figures }) => ({ day, ...figuresJson(figures) })),
    answers: activity.answers.map(({ outcome, ...figures }) => ({
      responseCode: OUTCOMES[outcome].code,
      responseMessage: OUTCOMES[outcome].message,
      ...figuresJson(figures),
    })),
    products: activity.products.map(({ productId, ...figures }) => ({
      productId,
      ...figuresJson(figures),
    })),
    channels: activity.channels.map(({ channelId, ...figures }) => ({
      channelId,
      name: channelText(channelId),
      ...figuresJson(figures),
    })),
  };
}

// ---------------------------------------------------------------- CSV

/** One file, told apart by `section`: "day", "answer", "product", "channel" and "total". */
const CSV_COLUMNS = [
  "section",
  "key",
  "name",
  "count",
  "debited",
  "released",
  "reserved",
  "declined",
  "currency",
  "askedAmount",
  "debitedAmount",
] as const;

export function activityCsv({ bank, activity }: ActivityReport): Csv {
  const row = (section: string, key: Cell, name: Cell, figures: ActivityFigures): Cell[] => [
    section,
    key,
    name,
    figures.count,
    figures.debited,
    figures.released,
    figures.reserved,
    figures.declined,
    bank.currency,
    decimal(figures.askedAmount, bank.minorDigits),
    decimal(figures.debitedAmount, bank.minorDigits),
  ];
  return {
    columns: CSV_COLUMNS,
    rows: [
      ...activity.days.map((of) => row("day", of.day, null, of)),
      ...activity.answers.map((of) => {
        const { code, message } = OUTCOMES[of.outcome];
        return row("answer", code, message, of);
      }),
      ...activity.products.map((of) => row("product", of.productId, null, of)),
      ...activity.channels.map((of) => row("channel", of.channelId, channelText(of.channelId), of)),
      row("total", null, null, activity.total),
    ],
  };
}

// ---------------------------------------------------------------- for people

const FIGURES: readonly Column[] = [
  { title: "Asked", align: "right" },
  { title: "Debited", align: "right" },
  { title: "Released", align: "right" },
  { title: "Held", align: "right" },
  { title: "Declined", align: "right" },
  { title: "Amount debited", align: "right" },
];

function figures(of: ActivityFigures, bank: Bank): string[] {
  const counts = [of.count, of.debited, of.released, of.reserved, of.declined];
  return [...counts.map(String), formatAmount(of.debitedAmount, bank.minorDigits)];
}

function daysChart({ activity, period }: ActivityReport): Chart {
  const { total, days } = activity;
  const parts = new Map(
    days.map((of) => [of.day, [of.debited, of.released + of.reserved, of.declined]]),
  );
  return {
    kind: "columns",
    title: "Purchases per day",
    description:
      `${total.count} purchases were asked for from ${period.from} to ${period.to}: ` +
      `${total.debited} debited, ${total.released + total.reserved} released or held, ` +
      `${total.declined} declined. The table below has the figures of each day.`,
    series: ["debited", "released or held", "declined"],
    columns: everyDay(parts, [0, 0, 0]).map(([day, values]) => ({ label: day.slice(5), values })),
  };
}

function daysSection(report: ActivityReport): Section {
  const { bank, activity } = report;
  return {
    title: `By local day, amounts in ${bank.currency}`,
    intro: "",
    chart: daysChart(report),
    columns: [{ title: "Day" }, ...FIGURES],
    rows: activity.days.map((of) => [of.day, ...figures(of, bank)]),
    total: ["Total", ...figures(activity.total, bank)],
    none: "None: nothing was asked for in this period.",
  };
}

/** A share as people say it: "12.5 %". */
const shareText = (part: number, whole: number) =>
  `${whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1)} %`;

function answersSection({ bank, activity }: ActivityReport): Section {
  const { answers, total } = activity;
  const share = (count: number) => shareText(count, total.count);
  return {
    title: "By answer",
    intro: "What each request was answered when it came first; repeats are not counted.",
    chart: {
      kind: "bars",
      title: "Answers by code",
      description: answers.map((of) => `${answerText(of)}: ${share(of.count)}`).join(", "),
      bars: answers.map((of) => ({
        label: answerText(of),
        value: of.count,
        note: `${of.count}, ${share(of.count)}`,
      })),
    },
    columns: [
      { title: "Answer" },
      { title: "Requests", align: "right" },
      { title: "Share", align: "right" },
      { title: `Asked, ${bank.currency}`, align: "right" },
    ],
    rows: answers.map((of) => [
      answerText(of),
      String(of.count),
      share(of.count),
      formatAmount(of.askedAmount as Minor, bank.minorDigits),
    ]),
    none: "None.",
  };
}

type Named = { readonly name: string } & ActivityFigures;

function topSection(what: string, all: readonly Named[], bank: Bank): Section {
  const shown = all.slice(0, MOST_SHOWN);
  const more = all.length - shown.length;
  return {
    title: `By ${what.toLowerCase()}, amounts in ${bank.currency}`,
    intro:
      `What was debited most stands first.` +
      (more > 0 ? ` ${more} more: --format csv or json.` : ""),
    columns: [{ title: what }, ...FIGURES],
    rows: shown.map(({ name, ...of }) => [name, ...figures(of, bank)]),
    none: "None.",
  };
}

export function activityPage(report: ActivityReport): Page {
  const { bank, period, activity } = report;
  const { total, products, channels } = activity;
  const debited = `${formatAmount(total.debitedAmount, bank.minorDigits)} ${bank.currency}`;
  return {
    title: "Activity report",
    facts: [
      ["Bank", bankText(bank)],
      ["Period", `${period.from} to ${period.to}, local days in ${bank.timeZone}`],
      ["Purchases asked for", String(total.count)],
      ["Debited", `${total.debited} (${shareText(total.debited, total.count)}), ${debited}`],
      ["Declined", `${total.declined} (${shareText(total.declined, total.count)})`],
    ],
    sections: [
      daysSection(report),
      answersSection(report),
      topSection(
        "Product",
        products.map((of) => ({ ...of, name: String(of.productId ?? "none") })),
        bank,
      ),
      topSection(
        "Channel",
        channels.map((of) => ({ ...of, name: channelText(of.channelId) || "none" })),
        bank,
      ),
    ],
  };
}
