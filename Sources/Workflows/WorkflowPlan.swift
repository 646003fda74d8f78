import JSONText
import Music

/// A workflow that can run: checked, ordered, its parameters given.
public struct WorkflowPlan: Sendable {
    struct Step: Sendable {
        let task: Workflow.Task
        let kind: NodeKind
    }

    public let workflow: Workflow
    /// The value of each parameter; nil for one that is not given yet.
    let parameters: [(name: String, value: String?)]
    /// Each behind those that it waits for; else in the document's order.
    let steps: [Step]

    /// A step's configuration with defaults and with the words of the run.
    func config(of step: Step, words: [String: String]) -> NodeConfig {
        var config = NodeConfig()
        for field in step.kind.fields {
            let given = step.task.config.first { $0.0 == field.name }?.1
            guard case .text(let text)? = given else {
                config.values[field.name] = given ?? field.value
                continue
            }
            let filled = try? fill(text) { name in
                let word = words[name].flatMap { field.kind.isTemplate ? $0 : nil }
                return word ?? parameters.first { $0.name == name }?.value
            }
            config.values[field.name] = filled == text ? given : field.kind.value(of: filled ?? "")
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
        var check = Check(workflow: self, faults: faults)
        let values = parameters.map { (name: $0.name, value: given?[$0.name] ?? $0.value) }
        for (name, value) in values where value == nil && given != nil {
            check.fault("parameters.\(name)", "has no value; give one with --param \(name)=…")
        }
        let names = parameters.map(\.name)
        for name in (given ?? [:]).keys.sorted() where !names.contains(name) {
            check.fault("parameters", "'\(name)' is not declared", unknown: name, among: names)
        }
        for task in tasks { check.task(task, values) }
        for task in tasks { check.visit(task.id) }
        check.task = nil
        guard check.faults.isEmpty else { throw WorkflowFaults(faults: check.faults) }
        return WorkflowPlan(workflow: self, parameters: values, steps: check.order)
    }
}

/// One pass over a workflow that looks for everything that is wrong.
private struct Check {
    let workflow: Workflow
    var faults: [WorkflowFault]
    var task: String?
    var order: [WorkflowPlan.Step] = []
    private var seen: Set<String> = []
    private var path: [String] = []
    private var done: Set<String> = []
    private let byID: [String: Workflow.Task]

    init(workflow: Workflow, faults: [WorkflowFault]) {
        self.workflow = workflow
        self.faults = faults
        byID = Dictionary(workflow.tasks.map { ($0.id, $0) }) { first, _ in first }
    }

    mutating func fault(
        _ field: String, _ reason: String, unknown: String = "", among choices: [String] = []
    ) {
        faults.append(
            .init(task: task, field: field, reason: reason, unknown: unknown, choices: choices))
    }

    private static func kind(_ type: String?) -> NodeKind? {
        NodeRegistry.kinds.first { $0.type == type }
    }

    mutating func task(_ task: Workflow.Task, _ parameters: [(name: String, value: String?)]) {
        self.task = task.id
        if !seen.insert(task.id).inserted { fault("id", "is another task's too") }
        for id in task.upstream where byID[id] == nil {
            fault("upstream", "there is no task '\(id)'", unknown: id, among: Array(byID.keys))
        }
        guard let kind = Self.kind(task.type) else {
            let types = NodeRegistry.kinds.map(\.type)
            return fault(
                "type", "'\(task.type)' is no kind of node", unknown: task.type, among: types)
        }
        if !kind.inputs.contains(task.upstream.count) {
            let (least, most) = (kind.inputs.lowerBound, kind.inputs.upperBound)
            fault(
                "upstream",
                "\(kind.type) takes \(least == most ? "\(most)" : "\(least) to \(most)"), not \(task.upstream.count)"
            )
        }
        let isWritten = task.upstream.contains { Self.kind(byID[$0]?.type)?.writesPlaylist == true }
        for field in kind.fields where !task.config.contains(where: { $0.0 == field.name }) {
            guard field.isRequired || field.isFromUpstream && !isWritten else { continue }
            fault("config.\(field.name)", "is missing: \(field.meaning)")
        }
        var metric: Metric?
        // In the fields' order: a metric stands before its limits.
        let names = kind.fields.map(\.name)
        for field in kind.fields {
            guard let given = task.config.first(where: { $0.0 == field.name }),
                let value = filled(given.1, field, parameters)
            else { continue }
            guard field.kind.takes(value, metric: metric) else {
                let words = field.kind.words ?? []
                let (unknown, fits) =
                    if case .text(let text) = value { (text, words) } else { ("", []) }
                fault(
                    "config.\(field.name)", "must be \(field.kind.description)", unknown: unknown,
                    among: fits)
                continue
            }
            if field.name == "metric", case .text(let text) = value {
                metric = .init(rawValue: text)
            }
        }
        for (name, _) in task.config where !names.contains(name) {
            fault("config.\(name)", "is no field of \(kind.type)", unknown: name, among: names)
        }
    }

    /// A value with its parameters; nil if one of them is not known yet, or none at all.
    private mutating func filled(
        _ value: JSON, _ field: ConfigField, _ parameters: [(name: String, value: String?)]
    ) -> JSON? {
        guard case .text(let text) = value else { return value }
        var isOpen = false
        var strange: [String] = []
        let filled = try? fill(text) { name in
            if field.kind.isTemplate, runWords.contains(name) { return name }
            let parameter = parameters.first { $0.name == name }
            if parameter == nil {
                strange.append(name)
            } else if parameter?.value == nil {
                isOpen = true
            }
            return parameter?.value ?? ""
        }
        for name in strange {
            fault(
                "config.\(field.name)", "'{\(name)}' is no parameter; {{ and }} stand for braces",
                unknown: name,
                among: parameters.map(\.name) + (field.kind.isTemplate ? runWords : []))
        }
        guard let filled else {
            fault("config.\(field.name)", "has a { that nothing closes; {{ stands for a brace")
            return nil
        }
        if isOpen || !strange.isEmpty { return nil }
        return filled == text ? value : field.kind.value(of: filled)
    }

    /// Puts a task in order behind those that it waits for.
    mutating func visit(_ id: String) {
        guard !done.contains(id), let task = byID[id] else { return }
        if let start = path.firstIndex(of: id) {
            self.task = id
            return fault(
                "upstream", "waits for itself: \((path[start...] + [id]).joined(separator: " → "))")
        }
        path.append(id)
        for id in task.upstream { visit(id) }
        path.removeLast()
        done.insert(id)
        if let kind = Self.kind(task.type) { order.append(.init(task: task, kind: kind)) }
    }
}

private struct OpenBrace: Error {}

/// Fills `{name}` in a text; `{{` and `}}` stand for braces, and so does a `}` by itself.
private func fill(_ text: String, _ value: (String) -> String?) throws -> String {
    var result = ""
    var rest = text[...]
    while let at = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
        let brace = rest[at]
        result += rest[..<at]
        rest = rest[rest.index(after: at)...]
        if brace == "}" || rest.first == brace {
            result.append(brace)
            if rest.first == brace { rest.removeFirst() }
        } else {
            guard let end = rest.firstIndex(of: "}") else { throw OpenBrace() }
            result += value(String(rest[..<end])) ?? ""
            rest = rest[rest.index(after: end)...]
        }
    }
    return result + rest
}

extension ConfigKind {
    fileprivate var isTemplate: Bool { if case .template = self { true } else { false } }
}
