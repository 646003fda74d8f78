import JSONText
import Music

/// A workflow that can run: checked, ordered, its parameters given.
public struct WorkflowPlan: Sendable {
    struct Step: Sendable {
        let task: Workflow.Task
        let kind: NodeKind
    }

    /// The document that it comes from.
    public let workflow: Workflow
    /// The value of each parameter; nil for one that is not given yet.
    let parameters: [String: String?]
    /// Each behind those that it waits for; else in the document's order.
    let steps: [Step]
}

extension Workflow {
    /// Checks everything and puts the tasks in order.
    ///
    /// - Parameter given: The values of parameters; nil to check the document alone.
    /// - Throws: ``WorkflowFaults`` with all of them.
    public func plan(_ given: [String: String]?) throws(WorkflowFaults) -> WorkflowPlan {
        let values = parameters.map { name, value in (name, given?[name] ?? value) }
        var check = Check(
            parameters: Dictionary(values) { first, _ in first },
            tasks: Dictionary(tasks.map { ($0.id, $0) }) { first, _ in first })
        check.value(document, .object(Self.fields))
        if !(1...1000).contains(tasks.count) { check.fault("tasks", "must be 1 to 1,000") }
        for (name, value) in values {
            if runWords.contains(name) {
                check.fault(
                    "parameters.\(name)", "is a word that every run fills in; give it another name")
            }
            if value == nil && given != nil {
                check.fault(
                    "parameters.\(name)", "has no value; give one with --param \(name)=…")
            }
        }
        for name in (given ?? [:]).keys.sorted() where check.parameters[name] == nil {
            let names = parameters.map(\.name)
            check.fault("parameters", "'\(name)' is not declared", unknown: name, among: names)
        }
        for task in tasks { check.task(task) }
        for task in tasks { check.visit(task.id) }
        guard check.faults.isEmpty else { throw WorkflowFaults(faults: check.faults) }
        return WorkflowPlan(workflow: self, parameters: check.parameters, steps: check.order)
    }
}

/// One pass over a workflow that looks for everything that is wrong.
private struct Check {
    let parameters: [String: String?]
    let tasks: [String: Workflow.Task]
    var faults: [WorkflowFault] = []
    var order: [WorkflowPlan.Step] = []
    /// The task that is looked at.
    var task: String?
    /// The metric that it is given.
    var metric: Metric?
    var seen: Set<String> = []
    var path: [String] = []
    var done: Set<String> = []

    mutating func fault(
        _ field: String, _ reason: String, unknown: String = "", among choices: [String] = []
    ) {
        faults.append(
            .init(task: task, field: field, reason: reason, unknown: unknown, choices: choices))
    }

    mutating func task(_ task: Workflow.Task) {
        self.task = task.id
        metric = nil
        if !seen.insert(task.id).inserted { fault("id", "is another task's too") }
        for id in task.upstream where tasks[id] == nil {
            fault("upstream", "there is no task '\(id)'", unknown: id, among: Array(tasks.keys))
        }
        guard let kind = NodeRegistry.kind(task.type) else {
            value(task.json, .object(Workflow.taskFields))
            return fault(
                "type", "'\(task.type)' is no kind of node", unknown: task.type,
                among: NodeRegistry.kinds.map(\.type))
        }
        if !kind.inputs.contains(task.upstream.count) {
            let range = Set([kind.inputs.lowerBound, kind.inputs.upperBound]).sorted()
            let takes = range.map(String.init).joined(separator: " to ")
            fault("upstream", "\(kind.type) takes \(takes), not \(task.upstream.count)")
        }
        value(task.json, kind.task)
    }

    /// Looks at a value and at all that is in it, but for the tasks of the document.
    mutating func value(_ value: JSON, _ kind: ConfigKind, at path: String = "") {
        let prefix = path.isEmpty ? "" : path + "."
        let here = path.isEmpty ? task == nil ? "document" : "task" : path
        let keys = value.members.map(\.0)
        if Set(keys).count < keys.count { fault(here, "has one key twice") }
        switch (kind, value) {
        case (.object(let fields), .object):
            let names = fields.map(\.name)
            let type = task.flatMap { tasks[$0]?.type } ?? ""
            let owner =
                path == "config"
                ? "no field of \(type)" : "not one of \(names.joined(separator: ", "))"
            for key in keys where !names.contains(key) {
                fault(prefix + key, "is \(owner)", unknown: key, among: names)
            }
            // In the fields' order: a metric stands before its limits.
            for field in fields {
                if let part = value[field.name] ?? field.value {
                    self.value(part, field.kind, at: prefix + field.name)
                } else if field.isRequired || field.isFromUpstream && !followsWriter {
                    let meaning = field.meaning.isEmpty ? "" : ": \(field.meaning)"
                    fault(prefix + field.name, "is missing\(meaning)")
                }
            }
        case (.map(let kind), .object(let members)):
            for (key, part) in members { self.value(part, kind, at: prefix + key) }
        case (.list(let kind, _), .array(let parts)):
            for part in parts { self.value(part, kind, at: path) }
        case (.task, _): break
        default:
            guard let value = path.hasPrefix("config.") ? filled(value, kind, path) : value else {
                return
            }
            if !kind.takes(value, metric: metric) {
                fault(
                    here, "must be \(kind.description)", unknown: value.string ?? "",
                    among: kind.choices)
            } else if path == "config.metric" {
                metric = value.string.flatMap { Metric(rawValue: $0) }
            }
        }
    }

    private var followsWriter: Bool {
        (task.flatMap { tasks[$0] }?.upstream ?? []).contains {
            tasks[$0].flatMap { NodeRegistry.kind($0.type) }?.writesPlaylist == true
        }
    }

    /// A value with its parameters; nil if it is not known yet or cannot be filled.
    private mutating func filled(_ given: JSON, _ kind: ConfigKind, _ path: String) -> JSON? {
        let words = kind.isTemplate ? runWords : []
        var isKnown = true
        let value = kind.filled(given) { name in
            if words.contains(name) { return "" }
            let value = parameters[name]
            if value == nil {
                fault(
                    path, "'{\(name)}' is no parameter; {{ and }} stand for braces", unknown: name,
                    among: parameters.keys + words)
            }
            isKnown = isKnown && value ?? nil != nil
            return value ?? nil
        }
        if value == nil { fault(path, "has a { that nothing closes; {{ stands for a brace") }
        return isKnown ? value : nil
    }

    /// Puts a task in order behind those that it waits for.
    mutating func visit(_ id: String) {
        guard !done.contains(id), let task = tasks[id] else { return }
        if let start = path.firstIndex(of: id) {
            self.task = id
            let circle = (path[start...] + [id]).joined(separator: " → ")
            return fault("upstream", "waits for itself: \(circle)")
        }
        path.append(id)
        for id in task.upstream { visit(id) }
        path.removeLast()
        done.insert(id)
        if let kind = NodeRegistry.kind(task.type) { order.append(.init(task: task, kind: kind)) }
    }
}
