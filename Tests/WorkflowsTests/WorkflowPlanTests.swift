import Foundation
import JSONText
import Music
import Testing
import Workflows

@Suite("What is wrong with a workflow")
struct WorkflowPlanTests {
    private func faults(_ bytes: [UInt8], _ given: [String: String]? = nil) -> [String] {
        do {
            _ = try Workflow(bytes).plan(given)
            return []
        } catch {
            return error.faults.map(\.description)
        }
    }

    private static let list = #"{"id":"a","type":"source.playlist","config":{"playlist":"{p}"}}"#

    @Test(
        "A task's fault is named with the task and the field",
        arguments: [
            (
                #"{"id":"b","type":"select.frst","upstream":["a"]}"#,
                "type: 'select.frst' is no kind of node"
            ),
            (
                #"{"id":"b","type":"select.first","upstream":["a"]}"#,
                "config.count: is missing: how many"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":"many"},"upstream":["a"]}"#,
                "config.count: must be a whole number from 0 on"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":-1},"upstream":["a"]}"#,
                "config.count: must be a whole number from 0 on"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":1.5},"upstream":["a"]}"#,
                "config.count: must be a whole number from 0 on"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":1,"cout":2},"upstream":["a"]}"#,
                "config.cout: is no field of select.first"
            ),
            (
                #"{"id":"b","type":"filter.by_metric","config":{"metric":"play"},"upstream":["a"]}"#,
                "config.metric: must be a metric"
            ),
            (
                #"{"id":"b","type":"filter.by_metric","config":{"metric":"plays","min":"x"},"upstream":["a"]}"#,
                "config.min: must be a limit that fits the metric: a number, a text, a date or a time"
            ),
            (
                #"{"id":"b","type":"filter.by_metric","config":{"metric":"last_played","max":5},"upstream":["a"]}"#,
                "config.max: must be a limit that fits the metric: a number, a text, a date or a time"
            ),
            (
                #"{"id":"b","type":"sort.by_metric","config":{"metric":"plays","descending":"yes"},"upstream":["a"]}"#,
                "config.descending: must be true or false"
            ),
            (
                #"{"id":"b","type":"sort.by_metric","config":{"metric":"plays","missing":"top"},"upstream":["a"]}"#,
                "config.missing: must be first or last"
            ),
            (
                #"{"id":"b","type":"enrich.lastfm_counts","config":{"max_age":"week"},"upstream":["a"]}"#,
                "config.max_age: must be a span of time such as 12h, 7d, 2w, 6mo or 1y"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":1}}"#,
                "upstream: select.first takes 1, not 0"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":1},"upstream":["a","a"]}"#,
                "upstream: select.first takes 1, not 2"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":1},"upstream":["c"]}"#,
                "upstream: there is no task 'c'"
            ),
            (
                #"{"id":"b","type":"select.first","config":{"count":1},"upstream":["b"]}"#,
                "upstream: waits for itself: b → b"
            ),
            (
                #"{"id":"b","type":"write.push","upstream":["a"]}"#,
                "config.playlist: is missing: which one; else the one that the node before wrote"
            ),
            (
                #"{"id":"b","type":"write.create_playlist","config":{"name":"{r}"},"upstream":["a"]}"#,
                "config.name: '{r}' is no parameter; {{ and }} stand for braces"
            ),
            (
                #"{"id":"b","type":"source.playlist","config":{"playlist":"{date}"}}"#,
                "config.playlist: '{date}' is no parameter; {{ and }} stand for braces"
            ),
            (
                #"{"id":"b","type":"source.playlist","config":{"playlist":"a { b"}}"#,
                "config.playlist: has a { that nothing closes; {{ stands for a brace"
            ),
            (#"{"id":"b","type":"source.playlist","config":7}"#, "config: must be an object"),
            (
                #"{"id":"b","type":"source.playlist","config":{"playlist":"x"},"upstream":"a"}"#,
                "upstream: must be a list"
            ),
            (
                #"{"id":"b","type":"source.playlist","config":{"playlist":"x"},"after":[]}"#,
                "after: is not one of id, type, config, upstream"
            ),
        ])
    func taskFaults(task: String, fault: String) {
        // A fault may bring others with it, but not in another task.
        let found = faults(document(Self.list + "," + task))
        #expect(found.contains("task 'b', " + fault), "\(found)")
        #expect(found.allSatisfy { $0.hasPrefix("task 'b', ") }, "\(found)")
    }

    @Test(
        "A document's fault is named with its field",
        arguments: [
            ("{", "document: the text ends inside an array or object at byte 1"),
            ("[]", "document: must be an object"),
            (#"{"id":"w","name":"W","tasks":[]}"#, "tasks: must be 1 to 1,000"),
            (#"{"id":"w","tasks":[]}"#, "name: is missing"),
            (#"{"id":7,"name":"W","tasks":[]}"#, "id: must be a text"),
            (#"{"id":"w","id":"x","name":"W","tasks":[]}"#, "document: has one key twice"),
            (
                #"{"id":"w","name":"W","task":[],"tasks":[]}"#,
                "task: is not one of id, name, description, parameters, tasks"
            ),
            (
                #"{"id":"w","name":"W","parameters":{"p":{}},"tasks":[]}"#,
                "parameters.p.meaning: is missing"
            ),
            (
                #"{"id":"w","name":"W","parameters":{"date":{"meaning":"m"}},"tasks":[]}"#,
                "parameters.date: is a word that every run fills in; give it another name"
            ),
        ])
    func documentFaults(document: String, fault: String) {
        let found = faults(Array(document.utf8))
        #expect(found.contains(fault), "\(found)")
    }

    @Test("All faults are told at once")
    func all() {
        let found = faults(
            document(
                #"{"id":"a","type":"no.such"},{"id":"a","type":"select.first","upstream":["x"]},{"id":"b","type":"sort.by_metric","config":{"metric":"plays"},"upstream":["c"]},{"id":"c","type":"select.first","config":{"count":2},"upstream":["b"]}"#
            ))
        #expect(
            found == [
                "task 'a', type: 'no.such' is no kind of node",
                "task 'a', id: is another task's too",
                "task 'a', upstream: there is no task 'x'",
                "task 'a', config.count: is missing: how many",
                "task 'b', upstream: waits for itself: b → c → b",
            ])
    }

    @Test("A run needs every parameter that has no default, and no other")
    func parameters() {
        let plain = document(Self.list)
        #expect(faults(plain) == [] && faults(plain, ["p": "x"]) == [])
        #expect(faults(plain, [:]) == ["parameters.p: has no value; give one with --param p=…"])
        #expect(faults(plain, ["p": "x", "pp": "y"]) == ["parameters: 'pp' is not declared"])
        // A value is looked at once it is there.
        let counted = document(
            Self.list
                + #",{"id":"b","type":"select.first","config":{"count":"{p}"},"upstream":["a"]}"#)
        #expect(faults(counted) == [] && faults(counted, ["p": "5"]) == [])
        #expect(
            faults(counted, ["p": "five"]) == [
                "task 'b', config.count: must be a whole number from 0 on"
            ])
    }

    @Test("A thousand tasks in a row are in order, one more is refused")
    func many() {
        func chain(_ count: Int) -> [UInt8] {
            document(
                ([Self.list]
                    + (1..<count).map {
                        #"{"id":"\#($0)","type":"select.first","config":{"count":1},"upstream":["\#($0 == 1 ? "a" : "\($0 - 1)")"]}"#
                    }).joined(separator: ","))
        }
        #expect(faults(chain(1000)) == [])
        #expect(faults(chain(1001)) == ["tasks: must be 1 to 1,000"])
    }

    @Test("The documents that come with Narada are in order", arguments: Shipped.allCases)
    func shipped(workflow: Shipped) throws {
        #expect(faults(workflow.bytes, ["playlist": "Morning"]) == [])
        #expect(faults(Array("\n ".utf8) + workflow.bytes, ["playlist": "Morning"]) == [])
        #expect(try Workflow(workflow.bytes).id == workflow.rawValue)
    }
}

@Suite("The registry of nodes")
struct NodeRegistryTests {
    private func schema() throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(NodeRegistry.schema.bytes))
                as? [String: Any])
    }

    /// Whether a value is what a JSON Schema asks for, in the words that the schema uses.
    private func accepts(_ schema: [String: Any], _ value: Any) -> Bool {
        let number = value as? NSNumber
        let isFlag = number.map { isByte($0) } ?? false
        func isType(_ name: String) -> Bool {
            switch name {
            case "object": value is [String: Any]
            case "array": value is [Any]
            case "string": value is String
            case "boolean": isFlag
            case "integer":
                !isFlag && number != nil && number?.doubleValue.rounded() == number?.doubleValue
            default: false
            }
        }
        return schema.allSatisfy { word, rule in
            switch word {
            case "type":
                return (rule as? [String] ?? [rule as? String ?? ""]).contains(where: isType)
            case "const": return value as? String == rule as? String
            case "enum": return (rule as? [String] ?? []).contains(value as? String ?? "\u{0}")
            case "minimum": return (number?.intValue ?? 0) >= (rule as? Int ?? 0)
            case "pattern":
                guard let text = value as? String else { return true }
                return text.range(of: rule as? String ?? "", options: .regularExpression) != nil
            case "anyOf": return (rule as? [[String: Any]] ?? []).contains { accepts($0, value) }
            case "minItems": return (value as? [Any])?.count ?? 0 >= rule as? Int ?? 0
            case "maxItems": return (value as? [Any])?.count ?? 0 <= rule as? Int ?? 0
            case "items":
                return (value as? [Any] ?? []).allSatisfy {
                    accepts(rule as? [String: Any] ?? [:], $0)
                }
            case "required":
                return (rule as? [String] ?? []).allSatisfy {
                    (value as? [String: Any])?[$0] != nil
                }
            case "properties":
                let rules = rule as? [String: [String: Any]] ?? [:]
                return (value as? [String: Any] ?? [:]).allSatisfy { accepts(rules[$0] ?? [:], $1) }
            case "additionalProperties":
                let known = schema["properties"] as? [String: Any] ?? [:]
                let others = (value as? [String: Any] ?? [:]).filter { known[$0.key] == nil }
                if let rule = rule as? [String: Any] {
                    return others.values.allSatisfy { accepts(rule, $0) }
                }
                return others.isEmpty
            case "$schema": return true
            default:
                Issue.record("the schema says '\(word)', which nobody here reads")
                return false
            }
        }
    }

    /// `JSONSerialization` makes a flag a number of one byte.
    private func isByte(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }

    @Test(
        "The JSON Schema accepts the documents that come with Narada", arguments: Shipped.allCases)
    func shipped(workflow: Shipped) throws {
        let document = try JSONSerialization.jsonObject(with: Data(workflow.bytes))
        #expect(accepts(try schema(), document))
    }

    @Test(
        "The JSON Schema and the check agree, but for what only a look at the whole can tell",
        arguments: [
            (#""type":"select.first","config":{"count":1},"upstream":["a"]"#, true),
            (#""type":"select.first","config":{"count":"{q}"},"upstream":["a"]"#, true),
            (#""type":"select.first","config":{"count":-1},"upstream":["a"]"#, false),
            (#""type":"select.first","config":{"count":"1"},"upstream":["a"]"#, false),
            (#""type":"select.first","config":{},"upstream":["a"]"#, false),
            (#""type":"select.first","upstream":["a"]"#, false),
            (#""type":"select.first","config":{"count":1}"#, false),
            (#""type":"select.none","config":{"count":1},"upstream":["a"]"#, false),
            (
                #""type":"sort.by_metric","config":{"metric":"plays","descending":true},"upstream":["a"]"#,
                true
            ),
            (
                #""type":"sort.by_metric","config":{"metric":"plays","descending":1},"upstream":["a"]"#,
                false
            ),
            (#""type":"sort.by_metric","config":{"metric":"play"},"upstream":["a"]"#, false),
            (
                #""type":"filter.by_metric","config":{"metric":"plays","min":1},"upstream":["a"]"#,
                true
            ),
            (
                #""type":"filter.by_metric","config":{"metric":"plays","min":[]},"upstream":["a"]"#,
                false
            ),
            (#""type":"enrich.lastfm_counts","config":{"max_age":"2w"},"upstream":["a"]"#, true),
            (#""type":"enrich.lastfm_counts","config":{"max_age":"2 w"},"upstream":["a"]"#, false),
            (#""type":"enrich.lastfm_counts","upstream":["a"],"x":1"#, false),
        ])
    func agreement(task: String, isFine: Bool) throws {
        let bytes = document(
            #"{"id":"a","type":"source.playlist","config":{"playlist":"x"}},{"id":"b",\#(task)}"#)
        let read = try JSONSerialization.jsonObject(with: Data(bytes))
        #expect(accepts(try schema(), read) == isFine)
        let plan = Result { () throws(WorkflowFaults) in try Workflow(bytes).plan(nil) }
        #expect(((try? plan.get()) != nil) == isFine)
    }

    @Test("Every kind of node stands once, with a category of the design and a meaning")
    func kinds() {
        let categories = [
            "source", "enrich", "filter", "sort", "select", "combine", "when", "write",
        ]
        #expect(Set(NodeRegistry.kinds.map(\.type)).count == NodeRegistry.kinds.count)
        for kind in NodeRegistry.kinds {
            #expect(categories.contains(kind.category) && kind.meaning.hasSuffix("."))
            #expect(
                kind.fields.allSatisfy {
                    !$0.meaning.isEmpty && ($0.value == nil || !$0.isRequired)
                })
        }
    }

    @Test("The page of nodes and metrics says what the tables say")
    func page() throws {
        var text = """
            # Workflow nodes

            Made from the registry (`Sources/Workflows/NodeRegistry.swift`) and the table of metrics
            (`Sources/Music/Metric.swift`) by `NARADA_UPDATE_GOLDENS=1 tools/test --filter NodeRegistryTests`.
            `*` is required; what stands in brackets holds where a field is left out. `narada-cmd nodes` prints the
            same, `narada-cmd nodes --schema` the JSON Schema. [How to use them](guides/workflows.md).

            | node | lists in | config | does |
            |---|---|---|---|

            """
        for kind in NodeRegistry.kinds {
            let fields = kind.fields.map { field in
                let value = field.value.map { " [\($0.text.replacing("\"", with: ""))]" } ?? ""
                return
                    "`\(field.name)`\(field.isRequired ? "*" : "")\(value): \(field.meaning) (\(field.kind.description))"
            }
            text +=
                "| `\(kind.type)` | \(kind.inputs.lowerBound) | \(fields.joined(separator: "<br>")) | \(kind.meaning) |\n"
        }
        text += """

            ## Metrics

            A row whose value is not known has none. That is never taken for zero.

            | metric | is | from | meaning |
            |---|---|---|---|

            """
        for metric in Metric.allCases {
            text +=
                "| `\(metric.rawValue)` | \(metric.about.kind.rawValue) | \(metric.about.origin) | \(metric.about.meaning) |\n"
        }
        let path = Shipped.docs + "/workflow-nodes.md"
        if ProcessInfo.processInfo.environment["NARADA_UPDATE_GOLDENS"] == "1" {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        }
        let page = FileManager.default.contents(atPath: path).map {
            String(decoding: $0, as: UTF8.self)
        }
        #expect(text == page, "if it should be so, run with NARADA_UPDATE_GOLDENS=1")
    }
}
