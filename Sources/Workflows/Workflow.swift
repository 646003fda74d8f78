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
    /// A node with its place in the graph.
    public struct Task: Sendable {
        /// What other tasks call it.
        public let id: String
        /// Its kind of node.
        public let type: String
        let config: [String: JSON]
        let upstream: [String]
    }

    /// A word that programs know it by.
    public let id: String
    /// What people call it.
    public let name: String
    /// What a run gives, for `{NAME}` in the texts of configs; by name, with its default.
    public let parameters: [(name: String, value: String?)]
    /// Its steps, in the order of the document.
    public let tasks: [Task]
    /// The document without white space, all else as it was read.
    let text: [UInt8]
    /// What is wrong with the document's shape.
    var faults: [WorkflowFault]

    /// Reads a document of at most 1 MB.
    ///
    /// - Throws: ``WorkflowFaults`` if it is not JSON; what else is wrong with it, ``plan(_:)`` tells.
    public init(_ bytes: [UInt8]) throws(WorkflowFaults) {
        var compact: [UInt8] = []
        let document: JSON
        do {
            document = try bytes.withUnsafeBufferPointer { bytes throws(JSONFault) in
                try JSONValidator.check(bytes)
                appendCompact(JSONValue(bytes), to: &compact)
                return JSON(JSONValue(bytes))
            }
        } catch {
            throw WorkflowFaults(faults: [.init(task: nil, field: "document", reason: "\(error)")])
        }
        var reader = Reader()
        let members = reader.object(
            document, "document", ["id", "name", "description", "parameters", "tasks"])
        id = reader.text(members, "id")
        name = reader.text(members, "name")
        _ = reader.text(members, "description", orElse: "")
        let given = reader.object(members["parameters"], "parameters", nil)
        parameters = given.keys.sorted().map { name in
            let field = "parameters.\(name)"
            let parameter = reader.object(given[name], field, ["meaning", "default"])
            _ = reader.text(parameter, "meaning", in: field)
            if runWords.contains(name) {
                reader.fault(field, "is a word that every run fills in; give it another name")
            }
            return (
                name, parameter["default"].map { _ in reader.text(parameter, "default", in: field) }
            )
        }
        tasks = reader.list(members["tasks"], "tasks").enumerated().map { index, task in
            reader.task = "#\(index + 1)"
            if case .object(let members) = task,
                case .text(let id)? = members.first(where: { $0.0 == "id" })?.1
            {
                reader.task = id
            }
            let task = reader.object(task, "task", ["id", "type", "config", "upstream"])
            return Task(
                id: reader.text(task, "id"), type: reader.text(task, "type"),
                config: reader.object(task["config"], "config", nil),
                upstream: reader.list(task["upstream"], "upstream").compactMap { upstream in
                    if case .text(let id) = upstream { return id }
                    reader.fault("upstream", "must hold the ids of tasks")
                    return nil
                })
        }
        reader.task = nil
        if !(1...1000).contains(tasks.count) { reader.fault("tasks", "must be 1 to 1,000") }
        text = compact
        faults = reader.faults
    }
}

/// Reads the parts of a document and keeps what is wrong with them.
private struct Reader {
    var faults: [WorkflowFault] = []
    var task: String?

    mutating func fault(_ field: String, _ reason: String) {
        faults.append(WorkflowFault(task: task, field: field, reason: reason))
    }

    /// - Parameter known: The keys it may have; nil for any.
    mutating func object(_ value: JSON?, _ field: String, _ known: [String]?) -> [String: JSON] {
        guard let value else { return [:] }
        guard case .object(let members) = value else {
            fault(field, "must be an object")
            return [:]
        }
        for (key, _) in members where known?.contains(key) == false {
            fault(key, "is not one of \(known?.joined(separator: ", ") ?? "")")
        }
        return Dictionary(members) { first, _ in
            fault(field, "has one key twice")
            return first
        }
    }

    mutating func list(_ value: JSON?, _ field: String) -> [JSON] {
        guard let value else { return [] }
        if case .array(let elements) = value { return elements }
        fault(field, "must be a list")
        return []
    }

    mutating func text(
        _ object: [String: JSON], _ key: String, in path: String? = nil, orElse: String? = nil
    ) -> String {
        if case .text(let text)? = object[key] { return text }
        if object[key] == nil, let orElse { return orElse }
        fault(
            (path.map { $0 + "." } ?? "") + key,
            object[key] == nil ? "is missing" : "must be a text")
        return ""
    }
}

extension JSON {
    /// Copies a validated value; a number that is not whole stays text of its own.
    fileprivate init(_ value: JSONValue) {
        if value.isObject {
            var members: [(String, JSON)] = []
            value.members { key, value in
                members.append((String(decoding: unescapedKey(key), as: UTF8.self), JSON(value)))
                return true
            }
            self = .object(members)
        } else if value.isArray {
            self = .array(value.elements.map { JSON($0) })
        } else if let text = value.text {
            self = .text(text)
        } else if let number = value.integer {
            self = .integer(number)
        } else {
            self = value.bool.map { .bool($0) } ?? (value.isNull ? .null : .raw(Array(value.bytes)))
        }
    }
}
