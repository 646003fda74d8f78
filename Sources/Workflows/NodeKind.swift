public import JSONText
public import Ledger
public import Music

/// What sources, enrichers and writers need of the world; all else in a workflow is pure.
public protocol WorkflowWorld: AnyObject {
    /// The seq that the read models stand at.
    var readSeq: Seq { get throws }
    /// Brings the read models up to date and gives the seq that they stand at.
    func refresh() throws -> Seq
    /// Reads a playlist, now or at a moment in the past.
    func playlist(_ reference: String, asOf: String?) throws -> SourceList
    /// Fetches what Last.fm counts for rows; counts younger than `maxAge` (such as `7d`) will do.
    func fetchLastfmCounts(for rows: [TrackRow], maxAge: String) async throws
    /// Measures rows, on the read models as they stand.
    func values(of metric: Metric, for rows: [TrackRow]) throws -> [MetricValue?]
    /// Makes a playlist and gives its URI.
    func createPlaylist(name: String, description: String?, rows: [TrackRow]) throws -> String
    /// Makes rows the whole list of a playlist that is here, and gives its URI.
    ///
    /// It must refuse if somebody else changed the playlist since the run began: their rows would go lost.
    func setRows(of playlist: String, to rows: [TrackRow]) throws -> String
    /// Makes a service's playlist what the local one is.
    func push(_ playlist: String, to service: String) async throws
    func append(_ events: [NewEvent]) throws
    /// An error in words that may stand in the log.
    func words(for error: any Error) -> String
}

/// A playlist as a source reads it.
public struct SourceList: Sendable {
    public let name: String
    /// What the ledger's state was when it held these rows.
    public let seq: Seq
    public let rows: [TrackRow]

    /// Takes rows in order.
    public init(name: String, seq: Seq, rows: [TrackRow]) {
        self.name = name
        self.seq = seq
        self.rows = rows
    }
}

/// A kind of node: one row of the registry.
public struct NodeKind: Sendable {
    /// What it does; all but transforms may touch the world.
    enum Body: Sendable {
        case source(@Sendable (NodeInput, any WorkflowWorld) async throws -> SourceList)
        /// Its rows go out as they came in.
        case enrich(@Sendable (NodeInput, any WorkflowWorld) async throws -> Void)
        case transform(@Sendable (NodeInput) throws -> Selection)
        /// Gives the URI of the playlist that was written.
        case write(
            keepsUnavailable: Bool, @Sendable (NodeInput, any WorkflowWorld) async throws -> String)
    }

    public let type: String
    public let meaning: String
    /// How many lists come in.
    public let inputs: ClosedRange<Int>
    public let fields: [ConfigField]
    let body: Body

    init(
        _ type: String, _ meaning: String, inputs: ClosedRange<Int> = 1...1,
        _ fields: [ConfigField] = [], _ body: Body
    ) {
        self.type = type
        self.meaning = meaning
        self.inputs = inputs
        self.fields = fields
        self.body = body
    }

    /// The kind as programs read it.
    public var json: JSON {
        let config = fields.map { field -> JSON in
            [
                "name": .text(field.name), "kind": .text(field.kind.description),
                "required": .bool(field.isRequired), "default": field.value ?? .null,
                "meaning": .text(field.meaning),
            ]
        }
        return [
            "type": .text(type), "category": .text(category), "meaning": .text(meaning),
            "inputs": ["min": JSON(inputs.lowerBound), "max": JSON(inputs.upperBound)],
            "config": .array(config),
        ]
    }

    public var category: String { String(type.prefix { $0 != "." }) }
    /// Whether a node behind it may leave out which playlist it means.
    var writesPlaylist: Bool { category == "write" }
}

/// What comes into a node.
final class NodeInput {
    let list: TrackList
    let config: NodeConfig
    /// The playlist that the node before wrote, with just these rows.
    let playlist: String?
    private let world: any WorkflowWorld
    private(set) var measured: [(metric: Metric, values: [MetricValue?])] = []

    init(
        _ list: TrackList, _ config: NodeConfig, playlist: String?, _ world: any WorkflowWorld
    ) {
        self.list = list
        self.config = config
        self.playlist = playlist
        self.world = world
    }

    /// Measures the rows and remembers what was seen, for the log.
    func measure(_ metric: Metric) throws -> [MetricValue?] {
        if let known = measured.first(where: { $0.metric == metric }) { return known.values }
        let values = try metric.own(list.rows) ?? world.values(of: metric, for: list.rows)
        measured.append((metric, values))
        return values
    }
}

/// A field of a node's configuration.
public struct ConfigField: Sendable {
    public let name: String
    public let kind: ConfigKind
    public let isRequired: Bool
    /// Whether it is required unless the node before wrote a playlist.
    let isFromUpstream: Bool
    public let value: JSON?
    public let meaning: String

    /// Describes a field; one that is required ends in `*`, or in `^` if the node before may answer for it.
    init(_ name: String, _ kind: ConfigKind, default value: JSON? = nil, _ meaning: String) {
        isRequired = name.hasSuffix("*")
        isFromUpstream = name.hasSuffix("^")
        self.name = isRequired || isFromUpstream ? String(name.dropLast()) : name
        self.kind = kind
        self.value = value
        self.meaning = meaning
    }
}

/// A node's configuration, checked and filled in.
struct NodeConfig: Sendable {
    var values: [String: JSON] = [:]

    func text(_ name: String) -> String? {
        if case .text(let text)? = values[name] { text } else { nil }
    }
    func integer(_ name: String) -> Int {
        if case .integer(let number)? = values[name] { Int(number) } else { 0 }
    }
    func flag(_ name: String) -> Bool {
        if case .bool(true)? = values[name] { true } else { false }
    }
    func metric(_ name: String) -> Metric? { text(name).flatMap { Metric(rawValue: $0) } }
    func limit(_ name: String, of metric: Metric) -> MetricValue? {
        values[name].flatMap { metric.limit($0, isMost: name == "max") }
    }
}

extension Metric {
    /// A limit as a document gives it: a number, a text, a date, or a time, which may be a date too.
    fileprivate func limit(_ value: JSON, isMost: Bool) -> MetricValue? {
        switch (kind, value) {
        case (.number, .integer(let number)): return .integer(number)
        case (.number, .text(let text)): return Int64(text).map { .integer($0) }
        case (.text, .text(let text)): return .text(text)
        case (.date, .text(let text)) where text.allSatisfy { $0.isWholeNumber || $0 == "-" }:
            return .text(text)
        case (.time, .text(let text)):
            // A date means its beginning as the least time, its end as the last.
            let day = ISOTime.parseDate(text).map { $0 + (isMost ? 86_399_999 : 0) }
            return (day ?? ISOTime.parse(text)).map { .integer($0) }
        default: return nil
        }
    }
}

/// What a field of a configuration may hold.
public enum ConfigKind: Sendable {
    case text
    /// A text with the words of the run: date, time, count, workflow, source.
    case template
    case flag, metric, limit
    /// A span of time such as `7d`.
    case age
    case integer(from: Int64)
    case word([String])

    /// What it takes, in words.
    public var description: String {
        switch self {
        case .text: "a text"
        case .template: "a text; may hold \(runWords.map { "{\($0)}" }.joined(separator: " "))"
        case .flag: "true or false"
        case .metric: "a metric"
        case .limit: "a limit that fits the metric: a number, a text, a date or a time"
        case .age: "a span of time such as 12h, 7d, 2w, 6mo or 1y"
        case .integer(let least): "a whole number from \(least) on"
        case .word(let words): words.joined(separator: " or ")
        }
    }

    /// The words of which it takes one.
    var words: [String]? {
        switch self {
        case .metric: Metric.allCases.map(\.rawValue)
        case .word(let words): words
        default: nil
        }
    }

    /// The value that a text stands for after its parameters were filled in.
    func value(of text: String) -> JSON {
        switch self {
        case .integer: Int64(text).map { .integer($0) } ?? .text(text)
        case .flag where text == "true" || text == "false": .bool(text == "true")
        default: .text(text)
        }
    }

    /// Whether it takes a value.
    ///
    /// - Parameter metric: The metric that the same node is given.
    func takes(_ value: JSON, metric: Metric?) -> Bool {
        switch (self, value) {
        case (.text, .text), (.template, .text), (.flag, .bool): true
        case (.integer(let least), .integer(let number)): (least..<1 << 53).contains(number)
        case (.limit, _): metric == nil || metric?.limit(value, isMost: false) != nil
        case (.age, .text(let text)): text.wholeMatch(of: /[0-9]{1,5}(h|d|w|mo|y)/) != nil
        case (_, .text(let text)): words?.contains(text) ?? false
        default: false
        }
    }

    /// The JSON Schema of what it takes; a text with a parameter may stand for anything.
    var schema: JSON {
        let filled: JSON = ["type": "string", "pattern": "\\{"]
        let plain: JSON =
            switch self {
            case .text, .template: ["type": "string"]
            case .flag: ["type": "boolean"]
            case .limit: ["type": ["integer", "string"]]
            case .age: ["type": "string", "pattern": "^[0-9]{1,5}(h|d|w|mo|y)$"]
            case .integer(let least): ["type": "integer", "minimum": .integer(least)]
            case .metric, .word: ["enum": .array((words ?? []).map { .text($0) })]
            }
        return ["anyOf": [plain, filled]]
    }
}

/// What every run fills into templates.
let runWords = ["date", "time", "count", "workflow", "source"]
