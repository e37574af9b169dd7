// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@Suite struct FaultTests {
  typealias Store = FaultInjectingObjectStore

  private func store(_ rates: FaultRates, seed: UInt64 = 1) -> Store {
    Store(wrapping: MemoryObjectStore(), seed: seed, plan: FaultPlan(rates)) { _ in }
  }

  /// Some work on a store; what each call gave.
  private func work(on store: Store, calls: Int) -> [String] {
    var random = SeededRandom(seed: 77)
    var results: [String] = []
    func note<T>(_ body: () throws -> T) {
      do { results.append("\(try body())") } catch { results.append("\(error)") }
    }
    for i in 0..<calls {
      let path = "p\(random.next() % 5)"
      switch random.next() % 7 {
      case 0: note { try store.put(path, Buffer("put \(i)")).etag }
      case 1: note { try store.get(path).text }
      case 2: note { try store.head(path).etag }
      case 3: note { try store.list(prefix: "").objects.map(\.path) }
      case 4: note { try store.delete(path) }
      case 5: note { try store.open(path).read([0..<1, 2..<4]).map(\.text) }
      default:
        note {
          let writer = try store.create(path, condition: .none)
          try writer.append(Buffer("written "))
          try writer.append(Buffer("\(i)"))
          return try writer.finish().etag
        }
      }
    }
    return results
  }

  @Test func aSeedReplays() {
    let rates = FaultRates(
      errorBefore: 0.05, errorAfter: 0.05, tornPut: 0.05, lostWrite: 0.1, tornAtCrash: 0.05,
      staleRead: 0.1, shortRead: 0.1, latency: 0.3, latencyNanosecondsMax: 1_000)
    var logs: Set<[Store.Injection]> = []
    for seed in 0..<5 as Range<UInt64> {
      var runs: [[String]] = []
      var injections: [[Store.Injection]] = []
      for _ in 0..<2 {
        let store = Store(
          wrapping: MemoryObjectStore(clock: { 0 }), seed: seed, plan: FaultPlan(rates)
        ) { _ in }
        runs.append(work(on: store, calls: 500))
        injections.append(store.injections)
      }
      #expect(runs[0] == runs[1])
      #expect(injections[0] == injections[1])
      #expect(injections[0].count > 50)
      logs.insert(injections[0])
    }
    #expect(logs.count == 5)
  }

  @Test func ratesAreKept() {
    let plan = FaultPlan(
      FaultRates(errorBefore: 0.1, errorAfter: 0.2, latency: 0.25, latencyNanosecondsMax: 100),
      rates: [.list: FaultRates()])
    var before = 0
    var after = 0
    var late = 0
    for number in 1...20_000 as ClosedRange<UInt64> {
      let decision = plan.decide(seed: 3, number: number, operation: .put)
      #expect(decision == plan.decide(seed: 3, number: number, operation: .put))
      if decision.fault == .errorBefore { before += 1 }
      if decision.fault == .errorAfter { after += 1 }
      if decision.latencyNanoseconds > 0 { late += 1 }
      #expect((0..<100).contains(decision.latencyNanoseconds))
      #expect(plan.decide(seed: 3, number: number, operation: .list).fault == nil)
      #expect(plan.decide(seed: 3, number: number, operation: .get).fault != .errorAfter)
    }
    #expect((1_800...2_200).contains(before))
    #expect((3_700...4_300).contains(after))
    #expect((4_600...5_200).contains(late))
  }

  @Test func errorsBeforeHaveNoEffectAndLostRepliesHave() throws {
    let before = store(FaultRates(errorBefore: 1))
    #expect(errorCode { try before.put("a", Buffer("x")) } == .unavailable)
    #expect(errorCode { try before.list(prefix: "") } == .unavailable)
    #expect(try before.wrapped.list(prefix: "").objects == [])
    #expect(before.injections.map(\.operation) == [.put, .list])

    let after = store(FaultRates(errorAfter: 1))
    #expect(errorCode { try after.put("a", Buffer("x")) } == .unavailable)
    #expect(try after.get("a").text == "x")
    #expect(errorCode { try after.put("a", Buffer("y"), condition: .ifAbsent) } == .alreadyExists)
    let writer = try after.create("b", condition: .none)
    try writer.append(Buffer("z"))
    #expect(errorCode { try writer.finish() } == .unavailable)
    #expect(try after.get("b").text == "z")
    #expect(errorCode { try after.delete("a") } == .unavailable)
    #expect(errorCode { try after.head("a") } == .notFound)
  }

  @Test func tornPutsStoreAPrefix() throws {
    let store = store(FaultRates(tornPut: 1))
    let text = String(repeating: "0123456789", count: 100)
    #expect(errorCode { try store.put("a", Buffer(text)) } == .unavailable)
    let writer = try store.create("b", condition: .none)
    for piece in [text.prefix(300), text.dropFirst(300)] {
      try writer.append(Buffer(String(piece)))
    }
    #expect(errorCode { try writer.finish() } == .unavailable)
    for path in ["a", "b"] {
      let stored = try store.get(path).text
      #expect(stored.count < text.count && text.hasPrefix(stored))
    }
  }

  @Test func lostWritesAreUndoneByACrash() throws {
    let memory = MemoryObjectStore()
    try memory.put("old", Buffer("1"))
    try memory.put("deleted", Buffer("2"))
    try memory.put("saved", Buffer("3"))
    let plan = FaultPlan(FaultRates(lostWrite: 1), rates: [.finish: FaultRates()])
    let store = Store(wrapping: memory, seed: 1, plan: plan)
    try store.put("new", Buffer("n"))
    try store.put("old", Buffer("o"))
    try store.put("old", Buffer("o2"))
    try store.delete("deleted")
    try store.put("saved", Buffer("s"))
    // A later write that is not lost saves the path.
    let saved = try store.create("saved", condition: .none)
    try saved.append(Buffer("s2"))
    _ = try saved.finish()
    let open = try store.create("open", condition: .none)
    try open.append(Buffer("x"))
    #expect(try store.list(prefix: "").objects.map(\.path) == ["new", "old", "saved"])
    #expect(try store.get("old").text == "o2")
    try store.crash()
    #expect(try store.list(prefix: "").objects.map(\.path) == ["deleted", "old", "saved"])
    #expect(try store.get("old").text == "1")
    #expect(try store.get("deleted").text == "2")
    #expect(try store.get("saved").text == "s2")
    #expect(errorCode { try open.append(Buffer("y")) } == .invalidArgument)
    #expect(errorCode { try open.finish() } == .invalidArgument)
    try store.crash()
    #expect(try store.get("old").text == "1")

    let torn = Store(wrapping: memory, seed: 2, plan: FaultPlan(FaultRates(tornAtCrash: 1)))
    let text = String(repeating: "0123456789", count: 100)
    try torn.put("torn", Buffer(text))
    #expect(try torn.get("torn").text == text)
    try torn.crash()
    let left = try torn.get("torn").text
    #expect(left.count < text.count && text.hasPrefix(left))
  }

  @Test func staleAndShortReads() throws {
    let plan = FaultPlan(FaultRates(staleRead: 1))
    let store = Store(wrapping: MemoryObjectStore(), seed: 1, plan: plan)
    let first = try store.put("a", Buffer("one"))
    #expect(errorCode { try store.get("a") } == .notFound)
    #expect(try store.list(prefix: "").objects == [])
    let second = try store.put("a", Buffer("second"))
    #expect(try store.get("a").text == "one")
    #expect(try store.get("a", range: 1..<3).text == "ne")
    #expect(try store.head("a") == first)
    #expect(try store.open("a").size == 3)
    #expect(try store.list(prefix: "").objects == [second])
    // Conditions are decided by what is there.
    #expect(
      errorCode { try store.put("a", Buffer("x"), condition: .ifMatch(first.etag)) }
        == .preconditionFailed)
    try store.delete("a")
    #expect(try store.get("a").text == "second")

    let short = self.store(FaultRates(shortRead: 1))
    try short.put("a", Buffer("0123456789"))
    let got = try short.get("a").text
    #expect(got.count < 10 && "0123456789".hasPrefix(got))
    let reader = try short.open("a")
    #expect(try reader.read(0..<10).count < 10)
    #expect(errorCode { try reader.read([0..<5, 5..<10]) } == .changed)
  }

  @Test func delaysGoThroughTheGivenSleep() throws {
    let slept = Mutex<[Int]>([])
    let plan = FaultPlan(FaultRates(latency: 1, latencyNanosecondsMax: 3_600_000_000_000))
    let store = Store(wrapping: MemoryObjectStore(), seed: 1, plan: plan) { nanoseconds in
      slept.withLock { $0.append(nanoseconds) }
    }
    try store.put("a", Buffer("x"))
    _ = try store.get("a")
    #expect(slept.withLock { $0.count } == 2)
    #expect(slept.withLock { $0.allSatisfy { $0 > 0 && $0 < 3_600_000_000_000 } })
  }
}
