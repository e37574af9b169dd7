// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirTable
internal import _WeirTestSupport

/// One operation as its caller saw it. Times are of the machine's monotonic clock, which processes
/// share.
struct HistoryEvent: Sendable, Hashable {
  enum Action: Sendable, Hashable {
    /// Saw this value: a read, or a swap that was refused with it.
    case saw(String)
    /// Put `to` in place of `from`.
    case swapped(from: String, to: String)
    /// May have done so; its answer never came.
    case maybeSwapped(from: String, to: String)
    /// Did not.
    case refused(to: String)
  }

  var key: Int
  var action: Action
  var begin: Int
  var end: Int
}

/// Checks that a history of registers that only compare-and-swap changes is linearizable.
///
/// Every swap writes a value of its own, so that the swaps of a register make a chain, which is the
/// only order that they can have had. Then it is enough (Gibbons and Korach, 1997, §4.1, with a known
/// order of writes) that real time does not contradict the chain: an operation that began after
/// another had ended saw the same value or a later one, and wrote a later one.
enum Linearizability {
  /// What is wrong; empty for a good history.
  static func findings(
    _ events: [HistoryEvent], initial: String = "m0", keyCount: Int
  ) -> [String] {
    var findings: [String] = []
    var chains: [Set<String>] = []
    for key in 0..<keyCount {
      let (chain, found) = check(events.filter { $0.key == key }, initial)
      findings += found.map { "register \(key): \($0)" }
      chains.append(chain)
    }
    // Swaps of several registers took place in all of them, or in none.
    for event in events {
      guard case .maybeSwapped(_, let to) = event.action else { continue }
      let keys = Set(
        events.compactMap { other -> Int? in
          if case .maybeSwapped(_, to) = other.action { other.key } else { nil }
        })
      if Set(keys.map { chains[$0].contains(to) }).count > 1 {
        findings.append("\(to) was put into some of the registers \(keys.sorted())")
      }
    }
    return findings
  }

  /// The values that the register had, and what is wrong.
  private static func check(
    _ events: [HistoryEvent], _ initial: String
  ) -> (chain: Set<String>, findings: [String]) {
    var findings: [String] = []
    var successors: [String: [(to: String, isCertain: Bool)]] = [:]
    var refused: Set<String> = []
    for event in events {
      switch event.action {
      case .swapped(let from, let to): successors[from, default: []].append((to, true))
      case .maybeSwapped(let from, let to): successors[from, default: []].append((to, false))
      case .refused(let to): refused.insert(to)
      case .saw: break
      }
    }
    // What must have taken place: certain swaps, and uncertain ones whose value somebody used.
    var used: Set<String> = []
    for event in events {
      switch event.action {
      case .saw(let value): used.insert(value)
      case .swapped(let from, _): used.insert(from)
      case .maybeSwapped, .refused: break
      }
    }
    let origins = Dictionary(
      events.compactMap { event -> (String, String)? in
        if case .maybeSwapped(let from, let to) = event.action { (to, from) } else { nil }
      }, uniquingKeysWith: { first, _ in first })
    for value in used {
      var value = value
      while let from = origins[value], used.insert(from).inserted { value = from }
    }
    var position = [initial: 0]
    var value = initial
    while let next = successors[value] {
      let made = next.filter { $0.isCertain || used.contains($0.to) }
      if made.count > 1 { findings.append("\(value) was replaced by \(made.map(\.to))") }
      guard let to = made.first?.to else { break }
      position[to] = position.count
      value = to
    }
    var ordered: [(begin: Int, end: Int, position: Int, writes: Bool, event: HistoryEvent)] = []
    for event in events {
      switch event.action {
      case .saw(let value), .swapped(_, let value):
        guard let place = position[value] else {
          findings.append("\(value) is not in the chain: \(event)")
          continue
        }
        var writes = false
        if case .swapped = event.action { writes = true }
        ordered.append((event.begin, event.end, place, writes, event))
      case .refused(let value):
        if position[value] != nil { findings.append("\(value) was refused, and is there") }
      case .maybeSwapped: break
      }
    }
    // In the order of their beginnings, each against the latest that had ended before.
    let byEnd = ordered.sorted { $0.end < $1.end }
    var ended = 0
    var latest = 0
    for operation in ordered.sorted(by: { $0.begin < $1.begin }) {
      while ended < byEnd.count, byEnd[ended].end < operation.begin {
        latest = max(latest, byEnd[ended].position)
        ended += 1
      }
      if operation.position < latest || (operation.writes && operation.position == latest) {
        findings.append("something older than what had been seen before: \(operation.event)")
      }
    }
    return (Set(position.keys), findings)
  }
}

/// Works on some registers by chance and writes down what it saw.
struct HistoryWorker {
  let backend: any CatalogBackend
  let name: String
  let keyCount: Int
  var random: SeededRandom
  private(set) var events: [HistoryEvent] = []
  private var known: [Int: String] = [:]
  private var number = 0

  init(_ backend: any CatalogBackend, name: String, keyCount: Int, seed: UInt64) {
    self.backend = backend
    self.name = name
    self.keyCount = keyCount
    random = SeededRandom(seed: seed)
  }

  static func identifier(_ key: Int) -> TableIdentifier {
    TableIdentifier(Namespace(["n"]), "t\(key)")
  }

  static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  mutating func step() throws {
    let key = random.int(0..<keyCount)
    if known[key] == nil || random.chance(0.25) { return try read(key) }
    var keys = [key]
    if random.chance(0.2) {
      keys = (0..<keyCount).filter { known[$0] != nil && ($0 == key || random.chance(0.5)) }
    }
    try swap(keys.shuffled(using: &random))
  }

  private mutating func read(_ key: Int) throws {
    let begin = Self.now()
    let entry = try backend.entry(Self.identifier(key))
    saw(key, entry!.metadataLocation, begin)
  }

  private mutating func saw(_ key: Int, _ value: String, _ begin: Int) {
    known[key] = value
    events.append(HistoryEvent(key: key, action: .saw(value), begin: begin, end: Self.now()))
  }

  private mutating func swap(_ keys: [Int]) throws {
    number += 1
    let to = "\(name)-\(number)"
    let from = keys.map { known[$0]! }
    let begin = Self.now()
    func add(_ action: (Int) -> HistoryEvent.Action) {
      let end = Self.now()
      for (index, key) in keys.enumerated() {
        events.append(HistoryEvent(key: key, action: action(index), begin: begin, end: end))
      }
    }
    let outcome: CatalogOutcome
    do throws(TableError) {
      outcome = try backend.apply(
        zip(keys, from).map { .swap(Self.identifier($0), .table, from: $1, to: to) })
    } catch {
      guard error.code == .unknownOutcome else { throw error }
      add { .maybeSwapped(from: from[$0], to: to) }
      for key in keys { known[key] = nil }
      return
    }
    switch outcome {
    case .applied:
      add { .swapped(from: from[$0], to: to) }
      for key in keys { known[key] = to }
    case .refused(let index, .moved(let entry)):
      add { _ in .refused(to: to) }
      saw(keys[index], entry.metadataLocation, begin)
    case .refused: preconditionFailure("nobody removes or renames entries here: \(outcome)")
    }
  }
}

extension HistoryEvent {
  /// One line of a file.
  var line: String {
    let words: [String] =
      switch action {
      case .saw(let value): ["saw", value, "-"]
      case .swapped(let from, let to): ["swapped", from, to]
      case .maybeSwapped(let from, let to): ["maybe", from, to]
      case .refused(let to): ["refused", to, "-"]
      }
    return "\(key) \(begin) \(end) \(words.joined(separator: " "))\n"
  }

  init?(line: Substring) {
    let words = line.split(separator: " ").map(String.init)
    guard words.count == 6, words[0] != "begin", let key = Int(words[0]), let begin = Int(words[1]),
      let end = Int(words[2])
    else { return nil }
    let action: Action
    switch words[3] {
    case "saw": action = .saw(words[4])
    case "swapped": action = .swapped(from: words[4], to: words[5])
    case "maybe": action = .maybeSwapped(from: words[4], to: words[5])
    case "refused": action = .refused(to: words[4])
    default: return nil
    }
    self.init(key: key, action: action, begin: begin, end: end)
  }
}
