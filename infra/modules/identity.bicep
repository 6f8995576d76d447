// The identity that the app, the Functions host and the deployment of packages sign in with. It is
// user-assigned, so that its roles can be granted before the app exists: an app that starts without them
// fails its first deployment.

param name string
param location string
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
