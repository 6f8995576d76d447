// The virtual network of the app: one subnet that its instances are in, one for private endpoints.

param name string
param location string
param tags object
param appSubnetName string
param privateEndpointSubnetName string

resource virtualNetwork 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: ['10.0.0.0/22']
    }
    // Here and not as resources of their own: two subnets written at once stand in each other's way.
    subnets: [
      {
        name: appSubnetName
        properties: {
          addressPrefix: '10.0.0.0/24'
          // Flex Consumption runs on Container Apps: the provider Microsoft.App must be registered.
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: privateEndpointSubnetName
        properties: {
          addressPrefix: '10.0.1.0/27'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }

  resource appSubnet 'subnets' existing = {
    name: appSubnetName
  }
}

output appSubnetId string = virtualNetwork::appSubnet.id
