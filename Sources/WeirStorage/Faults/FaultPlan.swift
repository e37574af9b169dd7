// SPDX-License-Identifier: Apache-2.0

/// The calls of a store, its readers and its writers.
public enum StorageOperation: String, CaseIterable, Sendable {
  case head, get, open, read, put, create, append, finish, list, delete
}

/// What goes wrong in one call.
public enum Fault: Sendable, Hashable {
  /// The call fails and has no effect.
  case errorBefore
  /// The call takes effect and the caller gets an error all the same (the reply is lost).
  case errorAfter
  /// Only the first bytes of the object are stored, visibly, and the call fails.
  case tornPut(fraction: Double)
  /// The call succeeds; `crash()` undoes it.
  case lostWrite
  /// The call succeeds; `crash()` leaves only the first bytes of the object.
  case tornAtCrash(fraction: Double)
  /// The call sees the store as it was before the path's last change.
  case staleRead
  /// The call gives only the first of the bytes asked for, without an error.
  case shortRead(fraction: Double)
}

/// How likely each fault is in one kind of call, each from 0 to 1 and together at most 1; faults that
/// the kind of call cannot have do not happen.
public struct FaultRates: Sendable, Hashable {
  public var errorBefore: Double
  /// Of `put`, `finish` and `delete`.
  public var errorAfter: Double
  /// Of `put` and `finish`.
  public var tornPut: Double
  /// Of `put`, `finish` and `delete`.
  public var lostWrite: Double
  /// Of `put` and `finish`.
  public var tornAtCrash: Double
  /// Of `head`, `get`, `open` and `list`.
  public var staleRead: Double
  /// Of `get` and `read`.
  public var shortRead: Double
  /// How likely a call is late, in addition to the above.
  public var latency: Double
  /// The longest delay of a late call; delays are even between 0 and this.
  public var latencyNanosecondsMax: Int

  public init(
    errorBefore: Double = 0, errorAfter: Double = 0, tornPut: Double = 0, lostWrite: Double = 0,
    tornAtCrash: Double = 0, staleRead: Double = 0, shortRead: Double = 0, latency: Double = 0,
    latencyNanosecondsMax: Int = 0
  ) {
    self.errorBefore = errorBefore
    self.errorAfter = errorAfter
    self.tornPut = tornPut
    self.lostWrite = lostWrite
    self.tornAtCrash = tornAtCrash
    self.staleRead = staleRead
    self.shortRead = shortRead
    self.latency = latency
    self.latencyNanosecondsMax = latencyNanosecondsMax
  }
}

/// What a fault-injecting store does, a pure function of the seed and the call's number.
public struct FaultPlan: Sendable, Hashable {
  /// Of the kinds of calls that `rates` does not name.
  public var common: FaultRates
  public var rates: [StorageOperation: FaultRates]

  public init(_ common: FaultRates = FaultRates(), rates: [StorageOperation: FaultRates] = [:]) {
    self.common = common
    self.rates = rates
  }

  public subscript(operation: StorageOperation) -> FaultRates {
    get { rates[operation] ?? common }
    set { rates[operation] = newValue }
  }

  /// What happens in one call.
  public struct Decision: Sendable, Hashable {
    public var fault: Fault?
    public var latencyNanoseconds: Int
  }

  /// What happens in the call with this number. The same arguments always give the same answer.
  public func decide(seed: UInt64, number: UInt64, operation: StorageOperation) -> Decision {
    var dice = Dice(seed: seed, number: number)
    let rates = self[operation]
    // Always the same draws, so that changing one rate changes as little as possible.
    let late = dice.roll() < rates.latency
    let delay = Int(dice.roll() * Double(rates.latencyNanosecondsMax))
    let choice = dice.roll()
    let fraction = dice.roll()
    var decision = Decision(fault: nil, latencyNanoseconds: late ? delay : 0)
    var reached = 0.0
    for (fault, rate) in Self.faults(of: operation, rates, fraction) {
      reached += rate
      if choice < reached {
        decision.fault = fault
        break
      }
    }
    return decision
  }

  private static func faults(
    of operation: StorageOperation, _ rates: FaultRates, _ fraction: Double
  ) -> [(Fault, Double)] {
    var faults: [(Fault, Double)] = [(.errorBefore, rates.errorBefore)]
    switch operation {
    case .put, .finish:
      faults += [
        (.errorAfter, rates.errorAfter), (.tornPut(fraction: fraction), rates.tornPut),
        (.lostWrite, rates.lostWrite), (.tornAtCrash(fraction: fraction), rates.tornAtCrash),
      ]
    case .delete: faults += [(.errorAfter, rates.errorAfter), (.lostWrite, rates.lostWrite)]
    case .get:
      faults += [
        (.staleRead, rates.staleRead), (.shortRead(fraction: fraction), rates.shortRead),
      ]
    case .read: faults.append((.shortRead(fraction: fraction), rates.shortRead))
    case .head, .open, .list: faults.append((.staleRead, rates.staleRead))
    case .create, .append: break
    }
    return faults
  }

  /// Whether some fault needs the former versions of objects.
  var needsVersions: Bool {
    ([common] + rates.values).contains {
      $0.lostWrite > 0 || $0.tornAtCrash > 0 || $0.staleRead > 0
    }
  }

  /// Whether some fault needs the bytes of an object that is written piece by piece.
  var needsWrittenBytes: Bool {
    ([common] + rates.values).contains { $0.tornPut > 0 || $0.tornAtCrash > 0 }
  }
}

/// SplitMix64, started anew for each call.
private struct Dice {
  private var state: UInt64

  init(seed: UInt64, number: UInt64) {
    state = seed
    state = next() ^ number
    state = next()
  }

  private mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number from 0 up to, and without, 1.
  mutating func roll() -> Double { Double(next() >> 11) * 0x1p-53 }
}
