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
    case text
    /// A text, or null where the service named nothing.
    case textOrNull
    /// A whole number from a least value on.
    case integer(from: Int64)
    /// RFC 3339.
    case time
    /// One of these words.
    case word([String])
    case list(FieldKind)
    case object([Field])
    /// What a connector returned, kept token-exact.
    case payload
}

/// A field of an event's data.
public struct Field: Sendable {
    public let name: String
    public let kind: FieldKind
    public let isRequired: Bool
    public let meaning: String

    /// Describes a field that is always there; a name that ends in `?` may be absent.
    public init(_ name: String, _ kind: FieldKind, _ meaning: String) {
        isRequired = !name.hasSuffix("?")
        self.name = isRequired ? name : String(name.dropLast())
        self.kind = kind
        self.meaning = meaning
    }
}

/// Rewrites the data of one version into the next; pure.
public typealias Upcaster = @Sendable (JSONValue) throws(EventFault) -> [UInt8]

/// A type of event: what it means and what its data holds, in its newest version.
public struct EventType: Sendable {
    public let kind: EventKind
    public let version: Int
    /// How its streams are named, for people.
    public let stream: String
    /// What its streams begin with.
    public let streamPrefix: String
    public let meaning: String
    public let fields: [Field]
    /// The stream and the data of an example that can be appended.
    public let example: (stream: String, data: String)
    /// The upcasters from version 1 on, in order.
    public let upcasters: [Upcaster]

    init(
        _ kind: EventKind, stream: String, _ meaning: String, _ fields: [Field],
        example: (stream: String, data: String), upcasters: [Upcaster] = []
    ) {
        self.kind = kind
        version = upcasters.count + 1
        self.stream = stream
        streamPrefix = String(stream.prefix { $0 != "<" })
        self.meaning = meaning
        self.fields = fields
        self.example = example
        self.upcasters = upcasters
    }

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
        var members: [(String, JSONValue)] = []
        var escaped: String?
        object.members { key, value in
            let name = String(decoding: unescapedKey(key), as: UTF8.self)
            // The folds look for keys as they are written.
            if key.contains(UInt8(ascii: "\\")) { escaped = name }
            members.append((name, value))
            return escaped == nil
        }
        if let escaped {
            throw EventFault(field: path + escaped, reason: "must be a key without escapes")
        }
        for (name, value) in members {
            guard let field = fields.first(where: { $0.name == name }) else {
                let known = fields.map(\.name).joined(separator: ", ")
                throw EventFault(
                    field: path + name, reason: "is not one of \(known.isEmpty ? "none" : known)")
            }
            guard seen.insert(name).inserted else {
                throw EventFault(field: path + name, reason: "stands there twice")
            }
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
        switch kind {
        case .text where value.isText, .textOrNull where value.isText || value.isNull: return
        case .text, .textOrNull: throw EventFault(field: path, reason: "must be a text")
        case .integer(let least):
            guard let number = value.integer, number >= least, number < 1 << 53 else {
                throw EventFault(field: path, reason: "must be a whole number from \(least) on")
            }
        case .time:
            guard let text = value.text, ISOTime.parse(text) != nil else {
                throw EventFault(field: path, reason: "must be a time as 2026-11-22T10:00:00Z")
            }
        case .word(let words):
            guard let text = value.text, words.contains(text) else {
                throw EventFault(
                    field: path, reason: "must be one of \(words.joined(separator: ", "))")
            }
        case .list(let element):
            guard value.isArray else { throw EventFault(field: path, reason: "must be a list") }
            for (index, item) in value.elements.enumerated() {
                try check(item, element, path: "\(path)[\(index)]")
            }
        case .object(let fields):
            guard value.isObject else { throw EventFault(field: path, reason: "must be an object") }
            try check(value, fields, path: path + ".")
        case .payload:
            guard value.isObject else { throw EventFault(field: path, reason: "must be an object") }
        }
    }

    /// The JSON Schema (2020-12) of the data.
    public var schema: JSON { Self.schema(fields) }

    private static func schema(_ fields: [Field]) -> JSON {
        let properties = fields.map { field -> (String, JSON) in
            guard case .object(var members) = schema(field.kind) else { return (field.name, [:]) }
            members.append(("description", .text(field.meaning)))
            return (field.name, .object(members))
        }
        let required = fields.filter(\.isRequired).map { JSON.text($0.name) }
        return [
            "type": "object", "properties": .object(properties), "required": .array(required),
            "additionalProperties": false,
        ]
    }

    private static func schema(_ kind: FieldKind) -> JSON {
        switch kind {
        case .text: ["type": "string"]
        case .textOrNull: ["type": ["string", "null"]]
        case .integer(let least): ["type": "integer", "minimum": .integer(least)]
        case .time: ["type": "string", "format": "date-time"]
        case .word(let words): ["enum": .array(words.map { .text($0) })]
        case .list(let element): ["type": "array", "items": schema(element)]
        case .object(let fields): schema(fields)
        case .payload: ["type": "object"]
        }
    }
}
