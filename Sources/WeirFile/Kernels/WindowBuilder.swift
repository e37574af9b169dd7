// SPDX-License-Identifier: Apache-2.0
// Safe: the arena grows before items are copied into it; chains lie within it, positions within
// chains.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Finds lists that repeat or slide, such as a user's last hundred items from row to row.
///
/// 1. A list is cut into grams of four items; the least hash of each half is an anchor. Lists that
///    overlap in most of their items have an anchor in common, wherever the overlap lies.
/// 2. An anchor leads to a chain, items that lists before this one share, and to a place in it.
///    When the list and the chain agree wherever they overlap, the list becomes a window on the
///    chain, which grows at its ends by what is new.
/// 3. Otherwise the list begins a chain.
/// 4. At the end the chains lie one behind the other, and each list is a start and a length.
///
/// (The idea is Nimble's sliding windows and RecD's deduplicated lists; the anchors are minima of
/// hashes as in Broder: On the resemblance and containment of documents, 1997.)
final class WindowBuilder<T: PageNumber> {
  private struct Chain {
    /// Where its room in the arena starts.
    var base: Int
    var capacity: Int
    /// Its items within the room.
    var first: Int
    var count: Int
    /// Items that were put before its first list.
    var before: Int
  }

  private struct Anchor {
    var hash: UInt64 = 0
    /// Number of the chain + 1; 0 is free.
    var chain: UInt32 = 0
    /// Relative to the first item of the chain's first list.
    var place: Int32 = 0
  }

  private var arena: UnsafeMutablePointer<T>
  private var arenaCapacity = 1 << 10
  private var arenaCount = 0
  private var chains: [Chain] = []
  /// Open addressing, at most half full.
  private var anchors: UnsafeMutablePointer<Anchor>
  private var anchorCapacity = 1 << 10
  private var anchorCount = 0
  private var rowChains: [UInt32] = []
  private var rowPlaces: [Int32] = []
  private(set) var lengths: [UInt32] = []
  /// Items of all lists.
  private(set) var itemCount = 0

  private static var gram: Int { 4 }

  init() {
    arena = Self.grown(nil, 1 << 10)
    anchors = .allocate(capacity: 1 << 10)
    anchors.initialize(repeating: Anchor(), count: 1 << 10)
  }

  deinit {
    free(arena)
    anchors.deallocate()
  }

  /// Items of all chains, those given up by growing chains included: what is in memory.
  var byteCount: Int {
    arenaCount * MemoryLayout<T>.size + anchorCapacity * MemoryLayout<Anchor>.size
      + lengths.count * 12
  }

  /// Items of all chains.
  var poolCount: Int { chains.reduce(0) { $0 + $1.count } }

  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func add(_ items: UnsafePointer<T>, _ count: Int) {
    lengths.append(UInt32(count))
    itemCount += count
    if count == 0 {
      rowChains.append(0)
      rowPlaces.append(0)
      return
    }
    let (first, second) = Self.anchorPlaces(items, count)
    for (hash, place) in [first, second] {
      guard let anchor = find(hash) else { continue }
      let chain = Int(anchor.chain) - 1
      let start = Int(anchor.place) - place
      if fit(chain, start, items, count) {
        rowChains.append(UInt32(chain))
        rowPlaces.append(Int32(start))
        insert(first.0, chain, start + first.1)
        insert(second.0, chain, start + second.1)
        return
      }
    }
    let chain = begin(items, count)
    rowChains.append(UInt32(chain))
    rowPlaces.append(0)
    insert(first.0, chain, first.1)
    insert(second.0, chain, second.1)
  }

  // MARK: anchors

  @inline(__always)
  private static func hash(_ items: UnsafePointer<T>, _ count: Int) -> UInt64 {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for index in 0..<count {
      hash = (hash ^ UInt64(items[index])) &* 0xff51_afd7_ed55_8ccd
      hash ^= hash >> 29
    }
    return hash
  }

  /// The least hash of each half, with its place.
  private static func anchorPlaces(
    _ items: UnsafePointer<T>, _ count: Int
  ) -> ((UInt64, Int), (UInt64, Int)) {
    if count < gram * 2 {
      let whole = (hash(items, count), 0)
      return (whole, whole)
    }
    // Products of single items are summed up, so that each item is multiplied once for a place.
    var least = (UInt64.max, 0)
    var least2 = (UInt64.max, 0)
    let places = count - gram + 1
    let half = places / 2
    var a = mix(items[0])
    var b = mix(items[1])
    var c = mix(items[2])
    for place in 0..<places {
      let d = mix(items[place + 3])
      let hash = (a &+ rotate(b, 13) &+ rotate(c, 29) &+ rotate(d, 47)) &* 0xff51_afd7_ed55_8ccd
      if place < half {
        if hash < least.0 { least = (hash, place) }
      } else if hash < least2.0 {
        least2 = (hash, place)
      }
      (a, b, c) = (b, c, d)
    }
    return (least, least2)
  }

  @inline(__always)
  private static func mix(_ item: T) -> UInt64 {
    let product = (UInt64(item) &+ 0x632B_E59B_D9B4_E019) &* 0x9E37_79B9_7F4A_7C15
    return product ^ (product >> 32)
  }

  @inline(__always)
  private static func rotate(_ x: UInt64, _ by: UInt64) -> UInt64 { x &<< by | x &>> (64 - by) }

  @inline(__always)
  private func slot(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash >> 24) & (anchorCapacity - 1)
  }

  private func find(_ hash: UInt64) -> Anchor? {
    let (anchors, mask) = (anchors, anchorCapacity - 1)
    var place = slot(hash)
    while anchors[place].chain != 0 {
      if anchors[place].hash == hash { return anchors[place] }
      place = (place + 1) & mask
    }
    return nil
  }

  /// Remembers the anchor; of equal ones the last counts.
  private func insert(_ hash: UInt64, _ chain: Int, _ at: Int) {
    if anchorCount * 2 >= anchorCapacity { growAnchors() }
    put(Anchor(hash: hash, chain: UInt32(chain + 1), place: Int32(at)))
  }

  private func put(_ anchor: Anchor) {
    let (anchors, mask) = (anchors, anchorCapacity - 1)
    var place = slot(anchor.hash)
    while anchors[place].chain != 0 {
      if anchors[place].hash == anchor.hash {
        anchors[place] = anchor
        return
      }
      place = (place + 1) & mask
    }
    anchors[place] = anchor
    anchorCount += 1
  }

  private func growAnchors() {
    let (former, count) = (anchors, anchorCapacity)
    anchorCapacity = count * 2
    anchors = .allocate(capacity: anchorCapacity)
    anchors.initialize(repeating: Anchor(), count: anchorCapacity)
    anchorCount = 0
    for place in 0..<count where former[place].chain != 0 { put(former[place]) }
    former.deallocate()
  }

  // MARK: chains

  /// Makes the list a window of the chain that begins at `start`, when they agree in at least half
  /// of it.
  private func fit(_ number: Int, _ start: Int, _ items: UnsafePointer<T>, _ count: Int) -> Bool {
    let chain = chains[number]
    // Places of the list within the chain's items: `shift` of its items come before them.
    let from = start + chain.before
    let low = max(from, 0)
    let high = min(from + count, chain.count)
    guard high - low >= (count + 1) / 2 else { return false }
    let chained = arena + chain.base + chain.first
    let size = (high - low) * MemoryLayout<T>.size
    guard memcmp(chained + low, items + (low - from), size) == 0 else { return false }
    let prepended = max(-from, 0)
    let appended = max(from + count - chain.count, 0)
    if prepended > 0 || appended > 0 { extend(number, items, count, prepended, appended) }
    return true
  }

  private func extend(
    _ number: Int, _ items: UnsafePointer<T>, _ count: Int, _ prepended: Int, _ appended: Int
  ) {
    var chain = chains[number]
    if chain.first < prepended || chain.first + chain.count + appended > chain.capacity {
      // Twice the slack on the side that grows.
      let slack = max(16, chain.count / 4)
      let (front, back) = (
        prepended > 0 ? prepended + slack : 0, appended > 0 ? appended + slack : 0
      )
      let room = front + chain.count + back
      let base = reserve(room)
      memcpy(
        arena + base + front, arena + chain.base + chain.first,
        chain.count * MemoryLayout<T>.size)
      (chain.base, chain.capacity, chain.first) = (base, room, front)
    }
    chain.first -= prepended
    chain.before += prepended
    let target = arena + chain.base + chain.first
    memcpy(target, items, prepended * MemoryLayout<T>.size)
    chain.count += prepended
    memcpy(
      target + chain.count, items + (count - appended), appended * MemoryLayout<T>.size)
    chain.count += appended
    chains[number] = chain
  }

  private func begin(_ items: UnsafePointer<T>, _ count: Int) -> Int {
    let base = reserve(count)
    memcpy(arena + base, items, count * MemoryLayout<T>.size)
    chains.append(Chain(base: base, capacity: count, first: 0, count: count, before: 0))
    return chains.count - 1
  }

  /// Room for `count` items at the arena's end.
  private func reserve(_ count: Int) -> Int {
    if arenaCount + count > arenaCapacity {
      arenaCapacity = max(arenaCapacity * 3 / 2, arenaCount + count)
      arena = Self.grown(arena, arenaCapacity)
    }
    defer { arenaCount += count }
    return arenaCount
  }

  /// Large memory moves without a copy, and what nobody wrote to is not there yet.
  private static func grown(
    _ memory: UnsafeMutablePointer<T>?, _ count: Int
  ) -> UnsafeMutablePointer<T> {
    guard let larger = realloc(memory, count * MemoryLayout<T>.size) else {
      fatalError("out of memory: could not allocate \(count) items of lists")
    }
    return larger.assumingMemoryBound(to: T.self)
  }

  // MARK: result

  /// The items of all chains, one behind the other, in pieces.
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func forChains(_ body: (UnsafePointer<T>, Int) -> Void) {
    for chain in chains { body(arena + chain.base + chain.first, chain.count) }
  }

  /// Where each list starts in a pool in which the chains begin at `base`.
  func starts(base: Int) -> [UInt32] {
    var chainStarts: [Int] = []
    chainStarts.reserveCapacity(chains.count)
    var next = base
    for chain in chains {
      chainStarts.append(next + chain.before)
      next += chain.count
    }
    return lengths.indices.map { row in
      lengths[row] == 0
        ? UInt32(base) : UInt32(chainStarts[Int(rowChains[row])] + Int(rowPlaces[row]))
    }
  }
}
