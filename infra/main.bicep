// Everything that `azd up` makes: names, tags, and one module per concern. The order is the dependency graph:
// the identity, then what it may do, then the app.
//
// Defaults are in main.parameters.json and not here. azd passes over a value that it cannot read as a number
// or a boolean, and would silently deploy a default of this file instead; without one it asks. Only a string
// that may be empty has its default, '', here too: azd asks for an empty string that has none.

targetScope = 'subscription'

@description('The name of the azd environment. It is part of the resource group\'s name and of every tag.')
@minLength(1)
@maxLength(64)
param environmentName string

// azd offers the regions with this much free quota. It takes a literal: where the model, the SKU or the
// capacity in main.parameters.json changes, this one must change too.
@description('The region of all resources. It must offer Flex Consumption, and the model unless Azure OpenAI is elsewhere.')
@metadata({
  azd: {
    type: 'location'
    usageName: ['OpenAI.GlobalStandard.gpt-5.4-mini,10']
  }
})
@minLength(1)
param location string

// --- Azure OpenAI ---------------------------------------------------------------------------------------

@description('The region of Azure OpenAI. Empty: that of everything else.')
param openAiLocation string = ''

@description('The model to deploy. The deployment has its name.')
@minLength(2)
@maxLength(64)
param modelName string

@description('The version of the model.')
@minLength(1)
param modelVersion string

@description('How the model is deployed and billed by token: in any region, in the data zone, or in this region.')
@allowed(['GlobalStandard', 'DataZoneStandard', 'Standard'])
param modelSku string

@description('The capacity of the deployment, in thousand tokens a minute.')
@minValue(1)
param modelCapacity int

@description('The resource id of an Azure OpenAI account to use instead of a new one, also in another resource group. Nothing is deployed there; a hook gives the app a role on it. Empty: a new account.')
param existingOpenAiAccountId string = ''

@description('The chat deployment to use in the existing account. Empty: the one that has the model\'s name.')
param existingOpenAiDeployment string = ''

// --- The app --------------------------------------------------------------------------------------------

// azd puts the values into the text of a JSON file as they are: a double quote or a backslash in one has to be
// written as JSON writes it.
@description('The settings of the app, by the names in src/streaming_chat/settings.py. An empty one is the app\'s own default.')
param appSettings object

@description('The memory of an instance in MB. Its share of CPU grows with it.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int

@description('The most instances at once.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('The open requests, and so the streams, that one instance takes before another is started.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('Instances that are kept running, and paid for, so that no request waits for a cold start.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstances int

@description('Whether a deployment lets open streams finish (a preview of Azure Functions) instead of cutting them. It holds from the deployment after the one that sets it.')
param rollingUpdates bool

@description('The origins whose pages may call the app from a browser, beside its own.')
param allowedOrigins array

// --- The network ----------------------------------------------------------------------------------------

@description('Whether storage, Key Vault and a new Azure OpenAI account are closed to public networks and reached by the app through private endpoints in a virtual network.')
param vnetEnabled bool

// --- Operations -----------------------------------------------------------------------------------------

@description('Whether a deleted key vault cannot be purged before its retention ends. Once on, it cannot be turned off.')
param enablePurgeProtection bool

@description('The days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int

@description('The gigabytes of logs taken in a day; what comes after them is dropped.')
@minValue(1)
param logDailyCapGb int

@description('A monthly budget for the resource group, in the currency of the subscription. 0: none. Sponsored subscriptions refuse budgets.')
@minValue(0)
param budgetAmount int

@description('Who gets mail when the budget is nearly spent, beside the owners of the resource group.')
param budgetContactEmails array

@description('The first month of the budget, as the date of its first day. Empty: this month.')
param budgetStartDate string = ''

@description('The day after which the resources may be deleted, for whatever cleans up by the tag expires-on. Empty: no tag.')
@maxLength(256)
param expiresOn string = ''

// --- Who deploys ----------------------------------------------------------------------------------------

@description('The object id of who deploys. They may call a new Azure OpenAI account from their own machine. Empty: nobody.')
param principalId string = ''

@description('What who deploys is. azd knows it; a wrong one is refused.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string

@description('Not to be set: Bicep has the date nowhere but in the default of a parameter.')
param thisMonth string = utcNow('yyyy-MM-01')

// --- Names and tags -------------------------------------------------------------------------------------

// 13 lower-case letters and digits, the same for the same subscription, environment and region.
var token = uniqueString(subscription().id, environmentName, location)

var names = {
  resourceGroup: 'rg-${environmentName}'
  identity: 'id-${token}'
  logAnalytics: 'log-${token}'
  applicationInsights: 'appi-${token}'
  // An account cannot move: another region is another account, and the former stays until it is deleted.
  openAi: 'oai-${uniqueString(subscription().id, environmentName, location, openAiLocation)}'
  keyVault: 'kv-${token}'
  storage: 'stor${token}'
  virtualNetwork: 'vnet-${token}'
  appSubnet: 'app'
  privateEndpointSubnet: 'private-endpoints'
  storageEndpoint: 'pep-storage-${token}'
  keyVaultEndpoint: 'pep-key-vault-${token}'
  openAiEndpoint: 'pep-openai-${token}'
  plan: 'plan-${token}'
  functionApp: 'func-${token}'
  budget: 'budget-${token}'
}

var tags = union({ 'azd-env-name': environmentName }, empty(expiresOn) ? {} : { 'expires-on': expiresOn })

// --- Which Azure OpenAI account -------------------------------------------------------------------------

// /subscriptions/{2}/resourceGroups/{4}/providers/Microsoft.CognitiveServices/accounts/{8}
var newOpenAi = empty(existingOpenAiAccountId)
var openAiSubscriptionId = newOpenAi ? subscription().subscriptionId : split(existingOpenAiAccountId, '/')[2]
var openAiResourceGroup = newOpenAi ? names.resourceGroup : split(existingOpenAiAccountId, '/')[4]
var openAiAccountName = newOpenAi ? names.openAi : split(existingOpenAiAccountId, '/')[8]
var openAiDeployment = newOpenAi || empty(existingOpenAiDeployment) ? modelName : existingOpenAiDeployment

// Not `properties.endpoint`: an account of kind AIServices has another host name there, one that the private
// DNS zone of Azure OpenAI does not hold.
var openAiSubdomain = newOpenAi ? openAi!.outputs.subdomain : (existingOpenAi!.properties.customSubDomainName)
var openAiAddress = 'https://${openAiSubdomain}.openai.azure.com'

var budgetStart = empty(budgetStartDate) ? thisMonth : budgetStartDate

// --- Resources ------------------------------------------------------------------------------------------

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: names.resourceGroup
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: names.logAnalytics
    componentName: names.applicationInsights
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
    appPrincipalId: identity.outputs.principalId
  }
}

module openAi 'modules/openai.bicep' = if (newOpenAi) {
  name: 'openai'
  scope: group
  params: {
    name: names.openAi
    location: empty(openAiLocation) ? location : openAiLocation
    tags: tags
    modelName: modelName
    modelVersion: modelVersion
    modelSku: modelSku
    modelCapacity: modelCapacity
    publicNetworkAccess: !vnetEnabled
    appPrincipalId: identity.outputs.principalId
    developerPrincipalId: principalId
    developerPrincipalType: principalType
  }
}

// Read, and nothing more: no resource and no module of this deployment may stand in its resource group, because
// `azd down --force` deletes every group in which one does. A hook grants the app its role on it.
resource existingOpenAi 'Microsoft.CognitiveServices/accounts@2025-06-01' existing = if (!newOpenAi) {
  name: openAiAccountName
  scope: resourceGroup(openAiSubscriptionId, openAiResourceGroup)
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    name: names.keyVault
    location: location
    tags: tags
    purgeProtection: enablePurgeProtection
    publicNetworkAccess: !vnetEnabled
    appPrincipalId: identity.outputs.principalId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: names.storage
    location: location
    tags: tags
    publicNetworkAccess: !vnetEnabled
    appPrincipalId: identity.outputs.principalId
  }
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    name: names.virtualNetwork
    location: location
    tags: tags
    appSubnetName: names.appSubnet
    privateEndpointSubnetName: names.privateEndpointSubnet
  }
}

// The private endpoints go by the network's name and not by its outputs: the parameters of a module are
// evaluated also where its condition is false, and a module that was not deployed has no outputs.
module storageEndpoint 'modules/private-endpoint.bicep' = if (vnetEnabled) {
  name: 'storage-endpoint'
  scope: group
  params: {
    name: names.storageEndpoint
    location: location
    tags: tags
    virtualNetworkName: names.virtualNetwork
    subnetName: names.privateEndpointSubnet
    serviceId: storage.outputs.id
    groupId: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
  }
  dependsOn: [
    network
  ]
}

module keyVaultEndpoint 'modules/private-endpoint.bicep' = if (vnetEnabled) {
  name: 'key-vault-endpoint'
  scope: group
  params: {
    name: names.keyVaultEndpoint
    location: location
    tags: tags
    virtualNetworkName: names.virtualNetwork
    subnetName: names.privateEndpointSubnet
    serviceId: keyVault.outputs.id
    groupId: 'vault'
    zoneName: 'privatelink.vaultcore.azure.net'
  }
  dependsOn: [
    network
  ]
}

// None for an account that exists: how it is reached is its owner's to say, and nothing is added to it.
module openAiEndpoint 'modules/private-endpoint.bicep' = if (vnetEnabled && newOpenAi) {
  name: 'openai-endpoint'
  scope: group
  params: {
    name: names.openAiEndpoint
    location: location
    tags: tags
    virtualNetworkName: names.virtualNetwork
    subnetName: names.privateEndpointSubnet
    serviceId: newOpenAi ? openAi!.outputs.id : ''
    groupId: 'account'
    zoneName: 'privatelink.openai.azure.com'
  }
  dependsOn: [
    network
  ]
}

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    planName: names.plan
    name: names.functionApp
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    packageContainerUrl: storage.outputs.packageContainerUrl
    keyVaultUri: keyVault.outputs.uri
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    openAiEndpoint: openAiAddress
    openAiDeployment: openAiDeployment
    appSettings: appSettings
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyInstances: alwaysReadyInstances
    rollingUpdates: rollingUpdates
    allowedOrigins: allowedOrigins
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
  }
  // The host looks for its storage and its vault as soon as it starts.
  dependsOn: [
    storageEndpoint
    keyVaultEndpoint
    openAiEndpoint
  ]
}

module budget 'modules/budget.bicep' = if (budgetAmount > 0) {
  name: 'budget'
  scope: group
  params: {
    name: names.budget
    amount: budgetAmount
    contactEmails: budgetContactEmails
    startDate: budgetStart
  }
}

// --- Outputs --------------------------------------------------------------------------------------------

// azd keeps them in its environment, and `azd down` takes them out again. So, with one exception, none has the
// name of a variable that main.parameters.json reads: it would take what the user has set with it.

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = functionApp.outputs.name
output AZURE_FUNCTION_APP_URL string = functionApp.outputs.uri
output AZURE_OPENAI_ENDPOINT string = openAiAddress
output AZURE_OPENAI_DEPLOYMENT string = openAiDeployment
output AZURE_OPENAI_ACCOUNT_NAME string = openAiAccountName
// The account that exists, on which hooks grant the app its role and take it back. Empty: a new account, and the
// role is part of the deployment.
output AZURE_OPENAI_GRANTED_ACCOUNT_ID string = newOpenAi ? '' : existingOpenAiAccountId
output AZURE_KEY_VAULT_NAME string = names.keyVault
output AZURE_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

// The exception. The start of a budget cannot be changed, so the next deployment, in another month, must ask
// for the same one; after `azd down` a new budget may begin.
output AZURE_BUDGET_START_DATE string = budgetAmount > 0 ? budgetStart : budgetStartDate
