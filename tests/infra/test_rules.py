"""Each rule of the compiler on a text that breaks it, also where the tree has no such construct."""

from __future__ import annotations

import pytest

from infra.bicep.checks.compiler import check_file
from infra.bicep.project import MAIN, Project

IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30"
GROUP = "Microsoft.Resources/resourceGroups@2025-04-01"
VAULT = "Microsoft.KeyVault/vaults@2026-02-01"
CHILD = "Microsoft.KeyVault/vaults/secrets@2026-02-01"
IN_GROUP = "targetScope = 'resourceGroup'\n"

BROKEN = [
    ("BCP025", "var a = { b: 1, b: 2 }"),
    ("BCP026", "output a int = 'text'"),
    ("BCP028", "var a = 1\nvar a = 2"),
    ("BCP032", "param b string\n@description(b)\nparam a string"),
    ("BCP033", "param a int = 'text'"),
    ("BCP041", f"{IN_GROUP}resource i '{IDENTITY}' existing = {{ name: 'i' }}\nvar a = i"),
    ("BCP044", "var a = !1"),
    ("BCP045", "var a = 1 + 'text'"),
    ("BCP045", "param b 'x' | 'y'\nvar a = b == 'z'"),
    ("BCP046", "var a = 1 ? 2 : 3"),
    ("BCP053", "var a = { b: 1 }\nvar c = a.d"),
    ("BCP055", "var a = 1\nvar c = a.d"),
    ("BCP057", "var a = missing"),
    ("BCP065", "var a = utcNow('yyyy')"),
    ("BCP070", "var a = toLower(1)"),
    ("BCP071", "var a = replace('a', 'b')"),
    ("BCP072", "var b = 'x'\nparam a string = b"),
    ("BCP074", "var a = [1]\nvar b = a['x']"),
    ("BCP076", "var a = 1\nvar b = a[0]"),
    ("BCP080", "var a = b\nvar b = a"),
    ("BCP082", "var a = listKeys('x', '2025-06-01')"),
    ("BCP091", "module m 'missing.bicep' = { name: 'm' }"),
    ("BCP099", "@allowed([])\nparam a string"),
    ("BCP115", "var a = resourceGroup().name"),
    (
        "BCP120",
        f"{IN_GROUP}resource i '{IDENTITY}' = {{ name: 'i', location: 'x' }}\n"
        f"resource j '{IDENTITY}' = {{ name: i.properties.clientId, location: 'x' }}",
    ),
    ("BCP124", "@batchSize(1)\nparam a string"),
    ("BCP124", "@minLength(1)\nparam a int"),
    ("BCP134", "module m 'modules/identity.bicep' = { name: 'm', params: {} }"),
    ("BCP137", "var a = [for b in 'text': b]"),
    (
        "BCP144",
        f"resource g '{GROUP}' = [for n in ['a']: {{ name: n, location: 'x' }}]\noutput a string = g.id",
    ),
    ("BCP154", f"@batchSize(0)\nresource g '{GROUP}' = [for n in ['a']: {{ name: n, location: 'x' }}]"),
    ("BCP155", f"@batchSize(1)\nresource g '{GROUP}' = {{ name: 'g', location: 'x' }}"),
    ("BCP159", f"resource g '{GROUP}' = {{ name: 'g', location: 'x' }}\noutput a string = g::inner.id"),
    (
        "BCP164",
        f"{IN_GROUP}resource v '{VAULT}' existing = {{ name: 'v' }}\n"
        f"resource s '{CHILD}' existing = {{ parent: v, scope: resourceGroup('x'), name: 's' }}",
    ),
    ("BCP166", "@description('a')\n@description('b')\nparam a string"),
    ("BCP168", "@minLength(-1)\nparam a string"),
    ("BCP169", f"{IN_GROUP}resource s '{CHILD}' existing = {{ name: 's' }}"),
    (
        "BCP170",
        f"{IN_GROUP}resource v '{VAULT}' existing = {{ name: 'v' }}\n"
        f"resource s '{CHILD}' existing = {{ parent: v, name: 'v/s' }}",
    ),
    (
        "BCP171",
        f"{IN_GROUP}resource i '{IDENTITY}' existing = {{ name: 'i' }}\n"
        f"resource s '{CHILD}' existing = {{ parent: i, name: 's' }}",
    ),
    ("BCP173", f"{IN_GROUP}resource v '{VAULT}' existing = {{ name: 'v', location: 'x' }}"),
    (
        "BCP177",
        f"{IN_GROUP}resource v '{VAULT}' existing = {{ name: 'v' }}\n"
        f"resource i '{IDENTITY}' = if (empty(v.properties.vaultUri)) {{ name: 'i', location: 'x' }}",
    ),
    (
        "BCP178",
        f"{IN_GROUP}resource v '{VAULT}' existing = {{ name: 'v' }}\n"
        "var a = [for p in v.properties.accessPolicies: p]",
    ),
    (
        "BCP182",
        f"{IN_GROUP}resource v '{VAULT}' existing = {{ name: 'v' }}\n"
        "var a = [for p in [1]: v.properties.vaultUri]",
    ),
    ("BCP240", f"{IN_GROUP}resource s '{CHILD}' existing = {{ parent: 'v', name: 's' }}"),
    ("BCP242", "var a = x => x"),
    ("BCP288", "type a = string\nvar b = a"),
    ("BCP318", "param a { b: string }?\nvar c = a.b"),
    ("BCP321", "param a string?\nparam c string\noutput b string = empty(c) ? a : c"),
    ("BCP326", "param a string? = 'x'"),
    ("BCP331", "@minLength(3)\n@maxLength(2)\nparam a string"),
    ("BCP439", "@secure()\nparam a int"),
    ("outputs-should-not-contain-secrets", "@secure()\nparam a string\noutput b string = a"),
    ("secure-parameter-default", "@secure()\nparam a string = 'hunter2'"),
    ("secure-secrets-in-params", "param adminPassword string"),
    ("suppression", "#disable-next-line BCP036\nparam a string"),
    ("unreachable", "var a = 'x' ?? 'y'"),
    ("unused", "var a = 1"),
]

SOUND = f"""targetScope = 'resourceGroup'
@description('Names.')
param names string[]
@description('Perhaps.')
param one string?
@description('Several.')
param kind 'x' | 'y' = 'x'
var chosen = kind == 'x' && !empty(one) ? (one ?? 'none') : 'other'
resource identities '{IDENTITY}' = [for (name, i) in names: {{
  name: '${{name}}-${{i}}-${{chosen}}'
  location: resourceGroup().location
}}]
resource vault '{VAULT}' existing = {{
  name: 'v'
  scope: resourceGroup('other')
}}
resource secret '{CHILD}' existing = {{
  parent: vault
  name: 's'
}}
output first string = identities[0].id
output last string = secret.id
output maybe string? = one
"""


@pytest.mark.parametrize(("rule", "text"), BROKEN, ids=lambda value: value.split("\n")[-1][:50])
def test_a_broken_rule_is_reported(project: Project, rule: str, text: str) -> None:
    changed = project.with_text(
        MAIN, text if "targetScope" in text else f"targetScope = 'subscription'\n{text}"
    )
    assert rule in {finding.rule for finding in check_file(changed, changed.main)}


def test_sound_text_is_passed(project: Project) -> None:
    """Nothing but what is true: an output that is not nullable, no parameter that is unused."""
    changed = project.with_text(MAIN, SOUND)
    assert [str(finding) for finding in check_file(changed, changed.main)] == []
