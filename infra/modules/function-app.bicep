// The function app, on its own Flex Consumption plan (one app per plan). Every role of its identity is granted
// by the modules whose outputs it takes, so it is created last.

param planName string
param name string
param location string
param tags object
param identityId string
param identityClientId string
param blobEndpoint string
param packageContainerUrl string
param keyVaultUri string
param applicationInsightsConnectionString string
param openAiEndpoint string
param openAiDeployment string
param appSettings object
param instanceMemoryMB int
param maximumInstanceCount int
param httpConcurrency int
param alwaysReadyInstances int
param rollingUpdates bool
param allowedOrigins array
@description('The subnet that the instances are in. Empty: none.')
param subnetId string

// What the template knows, over what the user sets: a setting of the user cannot point the app elsewhere.
var settings = union(appSettings, {
  // The app
  AZURE_CLIENT_ID: identityClientId
  AZURE_OPENAI_ENDPOINT: openAiEndpoint
  AZURE_OPENAI_DEPLOYMENT: openAiDeployment
  // The host's storage, by identity; the blob service is the only one that it needs
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__credential: 'managedidentity'
  // The host's access keys
  AzureWebJobsSecretStorageType: 'keyvault' // pragma: allowlist secret
  AzureWebJobsSecretStorageKeyVaultUri: keyVaultUri
  AzureWebJobsSecretStorageKeyVaultClientId: identityClientId
  // Telemetry, by identity
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
})

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  // The name of the service in azure.yaml: azd deploys its code to the one resource with this tag.
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        alwaysReady: alwaysReadyInstances == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReadyInstances
          }
        ]
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        triggers: {
          // Left out it would be 1 for Python: one open stream would hold a whole instance.
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
      // The service takes it; the published type of this API version does not have it yet, so it is said only
      // where it is asked for. Without it, deployments end what runs (Recreate).
      #disable-next-line BCP037
      siteUpdateStrategy: rollingUpdates ? { type: 'RollingUpdate' } : null
    }
    // Flex Consumption refuses more than it takes here (error 51021): no ftpsState, no linuxFxVersion, and no
    // FUNCTIONS_WORKER_RUNTIME among the settings.
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      cors: {
        allowedOrigins: allowedOrigins
        supportCredentials: false
      }
      appSettings: [
        for setting in items(settings): {
          name: setting.key
          value: setting.value
        }
      ]
    }
  }

  // No user name and password for deployments: azd sends packages with a token.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: {
      allow: false
    }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: {
      allow: false
    }
  }
}

output name string = site.name
output uri string = 'https://${site.properties.defaultHostName}'
