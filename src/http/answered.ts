// The answer of a receipt, byte for byte: a receipt keeps what the answer follows from, and the
// answers themselves stand in answers.ts alone.
import { outcomeOfCode } from "../domain/outcomes.ts";
import type { ReceiptView } from "../storage/store.ts";
import { type Answer, answers } from "./answers.ts";

/** Those turned away at the door, whose answers differ by their status alone. */
function answeredAtTheDoor(status: number): Answer | null {
  switch (status) {
    case 401:
      // Whether Basic was on then, and asked for in a header, is not recorded.
      return answers.unauthenticated(false);
    case 404:
      return answers.unknownPath();
    case 405:
      return answers.wrongMethod("POST");
    case 413:
      return answers.tooLarge();
    case 503:
      return answers.late();
    default:
      return null;
  }
}

/** What was answered to a received request; null where nothing was, or it is not known. */
export function answerOf(receipt: ReceiptView): Answer | null {
  const answer = bareAnswerOf(receipt);
  if (answer === null || receipt.traceId === null) return answer;
  return { ...answer, headers: { ...answer.headers, "x-request-id": receipt.traceId } };
}

function bareAnswerOf(receipt: ReceiptView): Answer | null {
  const { id, status, responseCode, message, requestId, reference } = receipt;
  // "d" (door): the refusals.
  if (id.startsWith("d")) return answeredAtTheDoor(status);
  switch (status) {
    case 200:
      if (responseCode === null || requestId === null) return null;
      return answers.reserve(outcomeOfCode(responseCode), requestId, reference);
    case 202:
      return answers.accepted();
    case 400:
      return answers.malformed(message ?? "");
    case 404:
      return answers.unmatched();
    case 503:
      return answers.late();
    default:
      return null;
  }
}
