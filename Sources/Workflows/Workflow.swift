import JSONText

/// What is wrong with a workflow, and where.
public struct WorkflowFault: Hashable, Sendable, CustomStringConvertible {
    /// The task's id; nil for the document itself.
    public let task: String?
    /// Such as `type` or `config.min`.
    public let field: String
    /// What is wrong there, in words.
    public let reason: String
    /// A name that was given and is none of `choices`.
    public var unknown = ""
    /// The names that it might have been.
    public var choices: [String] = []

    /// Task, field and reason in one line.
    public var description: String {
        (task.map { "task '\($0)', " } ?? "") + "\(field): \(reason)"
    }
}

/// Everything that is wrong with a workflow.
public struct WorkflowFaults: Error, Sendable {
    /// All of them, in the order of the document.
    public let faults: [WorkflowFault]
}

/// A workflow as its document tells it: tasks that make lists out of the lists of the tasks before them.
///
///     {"id","name","description"?,"parameters"?:{NAME:{"meaning","default"?}},
///      "tasks":[{"id","type","config"?:{…},"upstream"?:[ID…]}]}
public struct Workflow: Sendable {
    /// What a document may hold; the check and the JSON Schema come from it.
    static let fields = [
        ConfigField("id*", .text), ConfigField("name*", .text), ConfigField("description", .text),
        ConfigField(
            "parameters",
            .map(.object([ConfigField("meaning*", .text), ConfigField("default", .text)]))),
        ConfigField("tasks*", .list(.task, 1...1000)),
    ]
    /// What a task of any kind may hold.
    static let taskFields = [
        ConfigField("id*", .text), ConfigField("type*", .text), ConfigField("config", .map(.any)),
        ConfigField("upstream", .list(.text, 0...1000)),
    ]

    /// A node with its place in the graph.
    public struct Task: Sendable {
        /// What other tasks call it.
        public let id: String
        /// Its kind of node.
        public let type: String
        let json: JSON

        var upstream: [String] { json["upstream"]?.elements.compactMap(\.string) ?? [] }
    }

    /// A word that programs know it by.
    public let id: String
    /// What people call it.
    public let name: String
    /// What a run gives, for `{NAME}` in the texts of configs; by name, with its default.
    public let parameters: [(name: String, value: String?)]
    /// Its steps, in the order of the document.
    public let tasks: [Task]
    let document: JSON
    /// The document without white space, all else as it was read.
    let text: [UInt8]

    /// Reads a document of at most 1 MB.
    ///
    /// - Throws: ``WorkflowFaults`` if it is not JSON; what else is wrong with it, ``plan(_:)`` tells.
    public init(_ bytes: [UInt8]) throws(WorkflowFaults) {
        do { document = try JSON(parsing: bytes) } catch {
            throw WorkflowFaults(faults: [.init(task: nil, field: "document", reason: "\(error)")])
        }
        text = bytes.withUnsafeBufferPointer { JSONValue($0).compact }
        id = document["id"]?.string ?? ""
        name = document["name"]?.string ?? ""
        parameters = (document["parameters"]?.members ?? []).sorted { $0.0 < $1.0 }.map {
            ($0, $1["default"]?.string)
        }
        tasks = (document["tasks"]?.elements ?? []).enumerated().map { index, task in
            Task(
                id: task["id"]?.string ?? "#\(index + 1)", type: task["type"]?.string ?? "",
                json: task)
        }
    }
}

extension JSON {
    /// The first member with this key.
    subscript(key: String) -> JSON? { members.first { $0.0 == key }?.1 }
}
