// An Azure OpenAI account with one chat deployment, and who may call it.

@minLength(2)
@maxLength(64)
param name string
param location string
param tags object
param modelName string
param modelVersion string
param modelSku string
param modelCapacity int
param publicNetworkAccess bool
param appPrincipalId string
@description('Who develops against the account. Empty: nobody. A pipeline does not develop.')
param developerPrincipalId string
param developerPrincipalType string

var cognitiveServicesOpenAiUser = '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'OpenAI'
  sku: {
    name: 'S0'
  }
  properties: {
    // Microsoft Entra ID is accepted at an account's own subdomain only, not at the region's shared one.
    customSubDomainName: name
    disableLocalAuth: true
    publicNetworkAccess: publicNetworkAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      defaultAction: publicNetworkAccess ? 'Allow' : 'Deny'
    }
  }
}

// It has its model's name. The service does not turn a deployment of one model into one of another, so a
// different model becomes a second deployment, and the first stays until it is deleted or the account is.
resource deployment 'Microsoft.CognitiveServices/accounts/deployments@2025-06-01' = {
  parent: account
  name: modelName
  tags: tags
  sku: {
    name: modelSku
    capacity: modelCapacity
  }
  properties: {
    model: {
      format: 'OpenAI'
      name: modelName
      version: modelVersion
    }
    raiPolicyName: 'Microsoft.DefaultV2'
    // On the day the version retires, the service moves on to its successor instead of answering errors.
    versionUpgradeOption: 'OnceCurrentVersionExpired'
  }
}

resource appMayCall 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, cognitiveServicesOpenAiUser)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cognitiveServicesOpenAiUser)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource developerMayCall 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(developerPrincipalId) && developerPrincipalType != 'ServicePrincipal') {
  name: guid(account.id, developerPrincipalId, cognitiveServicesOpenAiUser)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cognitiveServicesOpenAiUser)
    principalId: developerPrincipalId
    principalType: developerPrincipalType
  }
}

output id string = account.id
output subdomain string = account.properties.customSubDomainName
