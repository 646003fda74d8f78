import Events
public import JSONText
public import Ledger
import Music

/// How a run of a workflow ended.
public struct WorkflowOutcome: Sendable {
    /// Rows of the list that was written last, or of the last list if none was.
    public fileprivate(set) var count = 0
    /// The playlist that was written last.
    public fileprivate(set) var playlist: String?
    /// What a dry run would have fetched or written, in order.
    public fileprivate(set) var left: [(text: String, json: JSON)] = []
}

/// A run of a workflow: each node once, one behind the other, each written down.
public struct WorkflowRun {
    /// What a node gives to those behind it.
    private struct Made {
        var list: TrackList
        /// The names of the sources that are in it.
        var sources: [String]
        /// The playlist that has just these rows because the node before wrote it.
        var playlist: String?
    }

    private let plan: WorkflowPlan
    private let world: any WorkflowWorld
    private let startedAtMS: Milliseconds
    private let append: (EventKind, JSON) throws -> Void
    private let isDry: Bool
    private var outcome = WorkflowOutcome()

    /// Runs a workflow to its end.
    ///
    /// - Parameters:
    ///   - stream: The run's own, `workflow:<run>`.
    ///   - seed: What randomness is drawn from.
    ///   - startedAtMS: The one moment that `{date}` and `{time}` tell, in UTC.
    ///   - isDry: Whether nothing is appended, fetched or written.
    /// - Throws: What a node threw; `workflow.failed` is appended before.
    public static func run(
        _ plan: WorkflowPlan, in world: any WorkflowWorld, on stream: StreamName, seed: Int64,
        startedAtMS: Milliseconds, isDry: Bool
    ) async throws -> WorkflowOutcome {
        var run = WorkflowRun(
            plan: plan, world: world, startedAtMS: startedAtMS,
            append: { kind, data in
                if !isDry { try world.append([NewEvent(kind, on: stream, data)]) }
            }, isDry: isDry)
        return try await run.run(seed)
    }

    private mutating func run(_ seed: Int64) async throws -> WorkflowOutcome {
        let parameters = plan.parameters.map { ($0.name, JSON($0.value)) }
        try append(
            .workflowStarted,
            [
                "workflow": .raw(plan.workflow.text), "parameters": .object(parameters),
                "seed": .integer(seed),
            ])
        var made: [String: Made] = [:]
        for step in plan.steps {
            do {
                let result = try await apply(step, made)
                made[step.task.id] = result
                if step.kind.writesPlaylist || outcome.playlist == nil {
                    outcome.count = result.list.rows.count
                }
                if step.kind.writesPlaylist { outcome.playlist = result.playlist }
            } catch {
                // What went wrong first is what the caller must hear.
                try? append(
                    .workflowFailed,
                    ["node": .text(step.task.id), "reason": .text(world.words(for: error))])
                throw error
            }
        }
        let playlist = outcome.playlist.map { [("playlist", JSON.text($0))] } ?? []
        try append(.workflowFinished, .object([("count", JSON(outcome.count))] + playlist))
        return outcome
    }

    private mutating func apply(_ step: WorkflowPlan.Step, _ made: [String: Made]) async throws
        -> Made
    {
        let before = step.task.upstream.compactMap { made[$0] }
        var result = Made(
            list: TrackList(before.flatMap(\.list.rows)), sources: before.flatMap(\.sources),
            playlist: before.count == 1 ? before[0].playlist : nil)
        let (list, playlist) = (result.list, result.playlist)
        var input = NodeInput(list, config(step, result), playlist: playlist, world)
        var selection = list.keepingAll()
        var seq = try world.refresh()
        switch step.kind.body {
        case .source(let read):
            let source = try await read(input, world)
            seq = source.seq
            result = Made(list: TrackList(source.rows), sources: [source.name])
        case .enrich(let enrich):
            if isDry { leave(step, input) } else { try await enrich(input, world) }
        case .transform(let transform):
            selection = try transform(input)
            // All that a node sees is one state of the ledger, though others go on beside it.
            while case let now = try world.readSeq, now != seq {
                seq = now
                input = NodeInput(list, input.config, playlist: nil, world)
                selection = try transform(input)
            }
            result.list = list.applying(selection)
            result.playlist = nil
        case .write(let keepsUnavailable, let write):
            if !keepsUnavailable { selection = list.keepingAvailable() }
            result.list = list.applying(selection)
            // `{count}` is known only now.
            input = NodeInput(result.list, config(step, result), playlist: playlist, world)
            if isDry { leave(step, input) }
            result.playlist = isDry ? nil : try await write(input, world)
        }
        var record: [(String, JSON)] = [
            ("node", .text(step.task.id)), ("type", .text(step.kind.type)),
            ("config", input.config.json(step.kind.fields)), ("read_seq", .integer(seq)),
            ("upstream", .array(step.task.upstream.map { .text($0) })),
            ("count_in", JSON(list.rows.count)),
        ]
        if case .source = step.kind.body {
            record.append(("rows", .array(result.list.rows.map(\.json))))
        } else {
            record.append(("out", .array(selection.out.map { JSON($0 + 1) })))
        }
        let metrics = input.measured.map { ($0.metric.rawValue, JSON.array($0.values.map(\.json))) }
        if !metrics.isEmpty { record.append(("metrics", .object(metrics))) }
        let dropped = selection.dropped.map {
            ["position": JSON($0.index + 1), "reason": .text($0.reason)] as JSON
        }
        if !dropped.isEmpty { record.append(("dropped", .array(dropped))) }
        try append(.transformApplied, .object(record))
        return result
    }

    private mutating func leave(_ step: WorkflowPlan.Step, _ input: NodeInput) {
        let config = step.kind.fields.compactMap { field in
            input.config.text(field.name).map { "\(field.name) '\($0)'" }
        }
        let count = input.list.rows.count
        outcome.left.append(
            (
                "\(step.kind.type) \(config.joined(separator: ", ")): \(count) rows",
                [
                    "node": .text(step.task.id), "type": .text(step.kind.type),
                    "config": input.config.json(step.kind.fields), "count": JSON(count),
                ]
            ))
    }

    /// A step's configuration, filled in for a list that comes in or goes out.
    private func config(_ step: WorkflowPlan.Step, _ made: Made) -> NodeConfig {
        let text = ISOTime.text(startedAtMS)
        var sources: [String] = []
        for name in made.sources where !sources.contains(name) { sources.append(name) }
        return plan.config(
            of: step,
            words: [
                "date": String(text.prefix(10)), "time": String(text.dropFirst(11).prefix(5)),
                "count": String(made.list.rows.count), "workflow": plan.workflow.name,
                "source": sources.joined(separator: " + "),
            ])
    }
}

extension NodeConfig {
    fileprivate func json(_ fields: [ConfigField]) -> JSON {
        .object(fields.compactMap { field in values[field.name].map { (field.name, $0) } })
    }
}

extension TrackRow {
    /// The row as events write it.
    fileprivate var json: JSON {
        var members: [(String, JSON)] = [("uri", JSON(uri))]
        if let title { members.append(("title", .text(title))) }
        if !artists.isEmpty { members.append(("artists", .array(artists.map { .text($0) }))) }
        if let addedAtMS { members.append(("added_at", .text(ISOTime.text(addedAtMS)))) }
        return .object(members)
    }
}

extension MetricValue? {
    fileprivate var json: JSON {
        switch self {
        case .integer(let number)?: .integer(number)
        case .text(let text)?: .text(text)
        case nil: .null
        }
    }
}
