private import Glibc

/// Milliseconds since 1970, UTC.
public typealias Milliseconds = Int64

/// Times as the log and the outputs write them: `2026-11-22T10:00:00.123Z`, always UTC.
public enum ISOTime {
    /// Writes a time, with milliseconds or cut to whole seconds.
    public static func text(_ time: Milliseconds, fraction: Bool = true) -> String {
        let seconds = floorDivide(time, 1000)
        let days = floorDivide(seconds, 86_400)
        let (year, month, day) = civil(days)
        let second = Int(seconds - days * 86_400)
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
        let clock =
            "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
        let milliseconds = fraction ? "." + padded(Int(time - seconds * 1000), 3) : ""
        return "\(date)T\(clock)\(milliseconds)Z"
    }

    /// Reads RFC 3339 with any offset and any number of decimals; nil for anything else.
    public static func parse(_ text: some StringProtocol) -> Milliseconds? {
        var copy = String(text)
        return copy.withUTF8 { parse($0) }
    }

    /// Reads RFC 3339 from bytes.
    public static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Milliseconds? {
        guard bytes.count >= 20, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[10] | 0x20 == 0x74,
            bytes[13] == 0x3A, bytes[16] == 0x3A,
            let year = number(bytes, 0, 4), let month = number(bytes, 5, 2),
            let day = number(bytes, 8, 2), let hour = number(bytes, 11, 2),
            let minute = number(bytes, 14, 2), let second = number(bytes, 17, 2),
            (1...12).contains(month), (1...daysIn(month, year)).contains(day), hour < 24,
            minute < 60, second < 61
        else { return nil }
        var at = 19
        var milliseconds = 0
        if bytes[at] == 0x2E {
            var scale = 100
            at += 1
            let start = at
            while at < bytes.count, let digit = number(bytes, at, 1) {
                milliseconds += digit * scale
                scale /= 10
                at += 1
            }
            if at == start { return nil }
        }
        guard at < bytes.count, let offset = zone(bytes, at) else { return nil }
        let seconds = ((days(year, month, day) * 24 + Int64(hour)) * 60 + Int64(minute)) * 60
        return (seconds + Int64(second) - offset * 60) * 1000 + Int64(milliseconds)
    }

    /// Reads `YYYY-MM-DD` as the day's beginning.
    public static func parseDate(_ text: some StringProtocol) -> Milliseconds? {
        text.utf8.count == 10 ? parse(text + "T00:00:00Z") : nil
    }

    /// The zone's offset in minutes.
    private static func zone(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int64? {
        if bytes[at] | 0x20 == 0x7A { return at + 1 == bytes.count ? 0 : nil }
        guard bytes[at] == 0x2B || bytes[at] == 0x2D, at + 6 == bytes.count, bytes[at + 3] == 0x3A,
            let hours = number(bytes, at + 1, 2), let minutes = number(bytes, at + 4, 2),
            hours < 24, minutes < 60
        else { return nil }
        let offset = Int64(hours * 60 + minutes)
        return bytes[at] == 0x2B ? offset : -offset
    }

    private static func number(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int, _ count: Int) -> Int?
    {
        var value = 0
        for index in at..<at + count {
            guard index < bytes.count, (0x30...0x39).contains(bytes[index]) else { return nil }
            value = value * 10 + Int(bytes[index] - 0x30)
        }
        return value
    }

    private static func daysIn(_ month: Int, _ year: Int) -> Int {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    // Days since 1970 to and from the proleptic Gregorian calendar, by eras of 400 years:
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let shifted = Int64(month <= 2 ? year - 1 : year)
        let era = floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let part = (5 * dayOfYear + 2) / 153
        let month = part < 10 ? part + 3 : part - 9
        return (
            Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0), Int(month),
            Int(dayOfYear - (153 * part + 2) / 5 + 1)
        )
    }
}

/// Where the programs get the time from: the machine, or a fixed moment in tests and demos.
public struct Clock: Sendable {
    private let fixed: Milliseconds?

    /// Stands still at a moment, or follows the machine if there is none.
    public init(fixedAt moment: Milliseconds? = nil) { fixed = moment }

    /// The present moment.
    public var now: Milliseconds {
        if let fixed { return fixed }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// An identifier that sorts by the time it was made: 48 bits of milliseconds, 80 random bits,
/// 26 characters of Crockford's base 32. Source: the ULID specification.
public struct ULID: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Makes one.
    public init(at time: Milliseconds, using generator: inout some RandomNumberGenerator) {
        let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
        let high = UInt128(UInt64(clamping: time) & 0xFFFF_FFFF_FFFF) << 80
        var value = high | UInt128(generator.next()) << 16 | UInt128(generator.next() & 0xFFFF)
        var characters = [UInt8](repeating: 0, count: 26)
        for index in characters.indices.reversed() {
            characters[index] = alphabet[Int(value & 31)]
            value >>= 5
        }
        description = String(decoding: characters, as: UTF8.self)
    }
}
