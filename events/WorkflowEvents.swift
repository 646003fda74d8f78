private let stream = "workflow:<run>"
private let example = "workflow:01JD9V5T8Q6Z3M1K7R2W4X0YBQ"

/// Runs of workflows: what was asked, what each node made of it, how it ended.
let workflowEvents = [
    EventType(
        .workflowStarted, stream: stream, "A workflow began to run.",
        [
            Field("workflow", .payload, "its definition, as it was read"),
            Field("parameters", .payload, "the value of each parameter, a text each"),
            Field("seed", .integer(from: 0), "what randomness is drawn from"),
        ],
        example: (
            example,
            #"{"workflow":{"id":"sort_by_plays","name":"Sort by plays","tasks":[{"id":"list","type":"source.playlist","config":{"playlist":"{playlist}"}}]},"parameters":{"playlist":"Morning"},"seed":1}"#
        )),
    EventType(
        .transformApplied, stream: stream,
        "A node made a list out of the lists before it. Positions start at 1 and count through those lists, one behind the other.",
        [
            Field("node", .text, "the task's id"),
            Field("type", .text, "the kind of node"),
            Field("config", .payload, "its configuration, parameters filled in, defaults included"),
            Field("read_seq", .integer(from: 0), "the seq of the read models it saw"),
            Field("upstream", .list(.text), "the tasks whose lists came in"),
            Field("count_in", .integer(from: 0), "rows that came in"),
            Field("rows?", items, "a source: the rows"),
            Field("out?", .list(.integer(from: 1)), "else: the positions that went out, in order"),
            Field(
                "metrics?", .payload,
                "what it measured: for each metric a value or null a row that came in"),
            Field(
                "dropped?",
                .list(
                    .object([
                        Field("position", .integer(from: 1), "the row"),
                        Field("reason", .text, "why it was dropped"),
                    ])), "rows that came in and did not go out"),
        ],
        example: (
            example,
            #"{"node":"sorted","type":"sort.by_metric","config":{"metric":"lastfm_user_plays"},"read_seq":1,"upstream":["list"],"count_in":2,"out":[2,1],"metrics":{"lastfm_user_plays":[3,7]}}"#
        )),
    EventType(
        .workflowFinished, stream: stream, "A run came to its end.",
        [
            Field("count", .integer(from: 0), "rows of its result"),
            Field("playlist?", .text, "the playlist that holds it"),
        ], example: (example, #"{"count":2}"#)),
    EventType(
        .workflowFailed, stream: stream, "A run ended early.",
        [
            Field("node?", .text, "the task that failed"),
            Field("reason", .text, "why, in words"),
        ], example: (example, #"{"node":"pushed","reason":"Spotify asks to wait until 18:00"}"#)),
]
