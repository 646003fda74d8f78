/// The ledger's own events.
let ledgerEvents = [
    EventType(
        .clockBehind, stream: "ledger",
        "A run found its clock behind the last recorded time; its events carry that time instead.",
        [
            Field("clock", .time, "what the clock showed"),
            Field("last_at", .time, "the last recorded time"),
        ],
        example: (
            "ledger", #"{"clock":"2026-11-22T09:00:00.000Z","last_at":"2026-11-22T10:00:00.000Z"}"#
        )),
    EventType(
        .tailDiscarded, stream: "ledger",
        "A commit that was never finished was moved to quarantine.",
        [
            Field("segment", .text, "the segment file's name"),
            Field("offset", .integer(from: 0), "where it began, in bytes"),
            Field("length", .integer(from: 0), "how long it was, in bytes"),
            Field("sha256", .text, "the hash of what was moved"),
        ],
        example: (
            "ledger",
            #"{"segment":"000000000001.lz4","offset":4711,"length":96,"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}"#
        )),
]
