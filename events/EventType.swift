public import JSONText
public import Ledger

/// Why an event is not what its type says, and in which field.
public struct EventFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// A path such as `items[2].uri`; empty for the whole.
    public let field: String
    public let reason: String

    /// Names a fault.
    public init(field: String, reason: String) {
        self.field = field
        self.reason = reason
    }

    public var description: String { field.isEmpty ? reason : "field '\(field)': \(reason)" }
}

/// What a field of an event's data may hold.
public indirect enum FieldKind: Sendable {
    /// A text, or also null where the service named nothing.
    case text(orNull: Bool)
    /// A whole number from a least value on.
    case integer(from: Int64)
    /// RFC 3339.
    case time
    /// One of these words.
    case word([String])
    case list(FieldKind)
    /// With these fields; nil for what a connector returned, kept token-exact.
    case object([Field]?)

    /// Reads a kind as `catalogue.json` writes it: `text`, `text or null`, `integer from 1`, `time`,
    /// `one of a, b`, `object`, the name of a shape, or `list of` one of these.
    fileprivate init(_ words: Substring, _ shapes: [String: [Field]]) {
        func rest(_ start: String) -> Substring? {
            words.hasPrefix(start) ? words.dropFirst(start.count) : nil
        }
        if let element = rest("list of ") {
            self = .list(FieldKind(element, shapes))
        } else if let least = rest("integer from ").flatMap({ Int64($0) }) {
            self = .integer(from: least)
        } else if let list = rest("one of ") {
            self = .word(list.split(separator: ", ").map(String.init))
        } else if words == "time" {
            self = .time
        } else if let null = rest("text"), ["", " or null"].contains(null) {
            self = .text(orNull: !null.isEmpty)
        } else {
            let fields = shapes[String(words)]
            precondition(fields != nil || words == "object", "'\(words)' is no kind of field")
            self = .object(fields)
        }
    }
}

/// A field of an event's data.
public struct Field: Sendable {
    public let name: String
    public let kind: FieldKind
    public let isRequired: Bool
    public let meaning: String

    /// Reads the fields of an object, `"name": "kind: meaning"`; a name that ends in `?` may be absent.
    static func read(_ object: JSONValue, _ shapes: [String: [Field]]) -> [Field] {
        object.members.map { key, text in
            let name = String(decoding: key, as: UTF8.self)
            let parts = (text.text ?? "").split(separator: ": ", maxSplits: 1)
            return Field(
                name: name.hasSuffix("?") ? String(name.dropLast()) : name,
                kind: FieldKind(parts[0], shapes), isRequired: !name.hasSuffix("?"),
                meaning: String(parts[1]))
        }
    }
}

/// Rewrites the data of one version into the next; pure.
public typealias Upcaster = @Sendable (JSONValue) throws(EventFault) -> [UInt8]

/// A type of event: what it means and what its data holds, in its newest version.
public struct EventType: Sendable {
    public let kind: EventKind
    /// How its streams are named, for people.
    public let stream: String
    public let meaning: String
    public let fields: [Field]
    /// The stream and the data of an example that can be appended.
    public let example: (stream: String, data: String)
    /// The upcasters from version 1 on, in order.
    public let upcasters: [Upcaster]

    public var version: Int { upcasters.count + 1 }
    /// What its streams begin with.
    public var streamPrefix: String { String(stream.prefix { $0 != "<" }) }

    /// Checks data against the fields.
    ///
    /// - Throws: ``EventFault`` naming the field that is missing, unknown or of another kind.
    public func validate(stream name: StreamName, _ data: JSONValue) throws(EventFault) {
        guard name.description.hasPrefix(streamPrefix),
            stream.contains("<") != (name.description == streamPrefix)
        else {
            throw EventFault(
                field: "stream", reason: "\(kind.rawValue) stands on \(stream), not \(name)")
        }
        guard data.isObject else { throw EventFault(field: "data", reason: "must be an object") }
        try Self.check(data, fields, path: "")
    }

    private static func check(_ object: JSONValue, _ fields: [Field], path: String)
        throws(EventFault)
    {
        var seen: Set<String> = []
        for (key, value) in object.members {
            let name = String(decoding: unescapedKey(key), as: UTF8.self)
            func refused(_ reason: String) -> EventFault {
                EventFault(field: path + name, reason: reason)
            }
            // The folds look for keys as they are written.
            if key.contains(UInt8(ascii: "\\")) { throw refused("must be a key without escapes") }
            guard let field = fields.first(where: { $0.name == name }) else {
                let known = fields.map(\.name).joined(separator: ", ")
                throw refused("is not one of \(known.isEmpty ? "none" : known)")
            }
            guard seen.insert(name).inserted else { throw refused("stands there twice") }
            if value.isNull, !field.isRequired { continue }
            try check(value, field.kind, path: path + name)
        }
        for field in fields where field.isRequired && !seen.contains(field.name) {
            throw EventFault(field: path + field.name, reason: "is missing (\(field.meaning))")
        }
    }

    private static func check(_ value: JSONValue, _ kind: FieldKind, path: String)
        throws(EventFault)
    {
        func must(_ fits: Bool, _ wanted: @autoclosure () -> String) throws(EventFault) {
            if !fits { throw EventFault(field: path, reason: "must be " + wanted()) }
        }
        switch kind {
        case .text(let orNull): try must(value.isText || orNull && value.isNull, "a text")
        case .integer(let least):
            let isInside = (least..<1 << 53).contains(value.integer ?? .min)
            try must(isInside, "a whole number from \(least) on")
        case .time:
            let time = value.text.flatMap { ISOTime.parse($0) }
            try must(time != nil, "a time as 2026-11-22T10:00:00Z")
        case .word(let words):
            let isOne = value.text.map(words.contains) ?? false
            try must(isOne, "one of \(words.joined(separator: ", "))")
        case .list(let element):
            try must(value.isArray, "a list")
            for (index, item) in value.elements.enumerated() {
                try check(item, element, path: "\(path)[\(index)]")
            }
        case .object(let fields):
            try must(value.isObject, "an object")
            if let fields { try check(value, fields, path: path + ".") }
        }
    }

    /// The JSON Schema (2020-12) of the data.
    public var schema: JSON { Self.schema(.object(fields)) }

    private static func schema(_ kind: FieldKind) -> JSON {
        switch kind {
        case .text(let orNull): return ["type": orNull ? ["string", "null"] : "string"]
        case .integer(let least): return ["type": "integer", "minimum": .integer(least)]
        case .time: return ["type": "string", "format": "date-time"]
        case .word(let words): return ["enum": .array(words.map { .text($0) })]
        case .list(let element): return ["type": "array", "items": schema(element)]
        case .object(nil): return ["type": "object"]
        case .object(let fields?):
            let properties = fields.map { field in
                let members = schema(field.kind).members + [("description", .text(field.meaning))]
                return (field.name, JSON.object(members))
            }
            let required = fields.filter(\.isRequired).map { JSON.text($0.name) }
            return [
                "type": "object", "properties": .object(properties), "required": .array(required),
                "additionalProperties": false,
            ]
        }
    }
}
