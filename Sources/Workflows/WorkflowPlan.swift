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

    /// A step's configuration with defaults and with the words of the run.
    func config(of step: Step, words: [String: String]) -> NodeConfig {
        var config = NodeConfig()
        for field in step.kind.fields {
            config.values[field.name] =
                step.task.config[field.name].flatMap { given in
                    try? field.kind.filled(given) { name in
                        (field.kind.isTemplate ? words[name] : nil) ?? parameters[name] ?? nil
                    }
                } ?? field.value
        }
        return config
    }
}

extension Workflow {
    /// Checks everything and puts the tasks in order.
    ///
    /// - Parameter given: The values of parameters; nil to check the document alone.
    /// - Throws: ``WorkflowFaults`` with all of them.
    public func plan(_ given: [String: String]?) throws(WorkflowFaults) -> WorkflowPlan {
        let values = parameters.map { name, value in (name, given?[name] ?? value) }
        var check = Check(
            faults: faults, parameters: Dictionary(values) { first, _ in first },
            tasks: Dictionary(tasks.map { ($0.id, $0) }) { first, _ in first })
        for (name, value) in values where value == nil && given != nil {
            check.fault("parameters.\(name)", "has no value; give one with --param \(name)=…")
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
    var faults: [WorkflowFault]
    let parameters: [String: String?]
    let tasks: [String: Workflow.Task]
    var order: [WorkflowPlan.Step] = []
    /// The task that is looked at.
    var task: String?
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
        if !seen.insert(task.id).inserted { fault("id", "is another task's too") }
        for id in task.upstream where tasks[id] == nil {
            fault("upstream", "there is no task '\(id)'", unknown: id, among: Array(tasks.keys))
        }
        guard let kind = NodeRegistry.kind(task.type) else {
            return fault(
                "type", "'\(task.type)' is no kind of node", unknown: task.type,
                among: NodeRegistry.kinds.map(\.type))
        }
        if !kind.inputs.contains(task.upstream.count) {
            let range = Set([kind.inputs.lowerBound, kind.inputs.upperBound]).sorted()
            let takes = range.map(String.init).joined(separator: " to ")
            fault("upstream", "\(kind.type) takes \(takes), not \(task.upstream.count)")
        }
        // In the fields' order: a metric stands before its limits.
        var metric: Metric?
        for field in kind.fields {
            guard let value = filled(task, field) else { continue }
            if !field.kind.takes(value, metric: metric) {
                var given = ""
                if case .text(let text) = value { given = text }
                fault(
                    "config.\(field.name)", "must be \(field.kind.description)", unknown: given,
                    among: field.kind.choices)
            } else if field.name == "metric", case .text(let text) = value {
                metric = Metric(rawValue: text)
            }
        }
        let names = kind.fields.map(\.name)
        for name in task.config.keys.sorted() where !names.contains(name) {
            fault("config.\(name)", "is no field of \(kind.type)", unknown: name, among: names)
        }
    }

    /// A field's value with its parameters; nil if it is missing or not known yet.
    private mutating func filled(_ task: Workflow.Task, _ field: ConfigField) -> JSON? {
        let path = "config.\(field.name)"
        guard let given = task.config[field.name] else {
            let isAnswered = task.upstream.contains {
                tasks[$0].flatMap { NodeRegistry.kind($0.type) }?.writesPlaylist == true
            }
            if field.isRequired || field.isFromUpstream && !isAnswered {
                fault(path, "is missing: \(field.meaning)")
            }
            return nil
        }
        let words = field.kind.isTemplate ? runWords : []
        var isKnown = true
        let value = try? field.kind.filled(given) { name in
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
