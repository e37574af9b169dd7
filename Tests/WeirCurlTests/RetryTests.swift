// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirCurl

@Suite struct RetryTests {
  @Test func pausesGrowAndAreBounded() {
    var policy = RetryPolicy()
    policy.pauseMilliseconds = 100
    policy.pauseMillisecondsMax = 1_000
    for (attempt, most) in [(0, 100), (1, 100), (2, 200), (4, 800), (5, 1_000), (1_000, 1_000)] {
      let longest = policy.pause(
        after: attempt, asked: nil, random: UInt64(most) * 1_000_000 - 1)
      #expect(longest == most * 1_000_000 - 1)
      #expect(policy.pause(after: attempt, asked: nil, random: 0) == 0)
      #expect(policy.pause(after: attempt, asked: nil, random: .max) < most * 1_000_000)
    }
    #expect(policy.pause(after: 1, asked: "2", random: 5) == 2_000_000_005)
    #expect(policy.pause(after: 1, asked: "999999999999", random: 0) == 60_000_000_000)
    for asked in ["", "-1", "soon", "0"] {
      #expect(policy.pause(after: 1, asked: asked, random: 5) == 5)
    }
  }
}
